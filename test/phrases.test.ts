import { readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, read } from './markdown.js';
import { findingsIn, PHRASES } from './phrases.js';
import { type Kind, textOf } from './source-text.js';

/** They show the phrases, and what to write instead. */
const EXEMPT = ['docs/glossary.md', 'test/phrases.ts', 'test/phrases.test.ts'];

/** What is installed, built or made by a program. */
const NOT_WRITTEN = ['node_modules', 'dist', 'bundle', 'tarballs', 'coverage', 'docs/api', 'docs/charts'];

const FILES = filesIn('').filter((file) => !EXEMPT.includes(file));
const PAGES = FILES.filter((file) => /\.(md|ya?ml|service|socket)$/.test(file));
const SOURCES = FILES.filter((file) => /\.[cm]?[jt]s$/.test(file));
const KINDS: readonly Kind[] = ['comments', 'titles', 'strings'];

describe('no old phrase stands in', () => {
  test('a page', () => {
    expect(PAGES.length).toBeGreaterThan(50);
    expect(PAGES.flatMap((file) => messagesOf(file, withoutCode(read(file))))).toEqual([]);
  });

  test.each(KINDS)('the %s of a source file', (kind) => {
    expect(SOURCES.flatMap((file) => messagesOf(file, textOf(read(file), kind)))).toEqual([]);
  });
});

describe('the check', () => {
  test('finds each phrase, also on two lines, and gives its reason', () => {
    const old = 'It hears of it\nby and\nby, and whoever waits shall wait in its turn.';
    expect(findingsIn(old).map(({ line, found }) => `${line} ${found}`)).toEqual([
      '1 hears',
      '2 by and by',
      '3 whoever',
      '3 in its turn',
      '3 shall',
    ]);
    expect(messagesOf('page.md', 'It moves\nanew.')).toEqual(['page.md:2: "anew": say "again"']);
  });

  test('leaves plain sentences alone, and what is quoted from a program', () => {
    const plain = 'The process is no longer ready. There is no port. The deadline force-closes both.';
    expect(findingsIn(plain)).toEqual([]);
    expect(findingsIn(withoutCode('`the hammer`\n\n```sh\nwhoever\n```\n\n    nobody\n'))).toEqual([]);
  });

  test('has a reason for each phrase', () => {
    for (const { pattern, instead } of PHRASES) expect(instead, String(pattern)).toMatch(/^\w.{8,}/);
  });

  test('tells the comments, titles and strings of a source file from each other', () => {
    const source = [
      "import { a } from 'a b';",
      '/** A comment\n * on two lines. */',
      "test.each(['one row'])('a title of %s', () => log(`a string #{a ? `with #{b / 2} in` : {}} it`));",
      "const pattern = /'not a string'/; // at the end",
      "describe.skipIf(!a)('another title', () => {});",
    ]
      .join('\n')
      .replaceAll('#{', '$\x7b');
    const words = (kind: Kind) =>
      textOf(source, kind).split(/\s+/).filter(Boolean).join(' ').replaceAll('$', '');
    expect(words('comments')).toBe('A comment on two lines. */ at the end');
    expect(words('titles')).toBe("'a title of %s' 'another title'");
    expect(words('strings')).toBe("'a b' 'one row' `a string { `with { } in` } it`");
    expect(textOf(source, 'titles').split('\n')[3]).toContain('a title');
  });
});

/** What is wrong with a text, a line each. */
function messagesOf(file: string, text: string): string[] {
  return findingsIn(text).map(({ line, found, instead }) => `${file}:${line}: "${found}": ${instead}`);
}

/** A page with its blocks and spans of code blank, on the same lines. */
function withoutCode(page: string): string {
  const blank = (code: string) => code.replaceAll(/[^\n]/g, ' ');
  return page
    .replaceAll(/^ *```[\s\S]*?^ *```$/gm, blank)
    .replaceAll(/(?<=\n\n) {4}[^\n]*(\n+ {4}[^\n]*)*/g, blank)
    .replaceAll(/(?<!`)(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, blank);
}

/** Every file below a folder of the repository that a person has written. */
function filesIn(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.posix.join(folder, entry.name);
    if (NOT_WRITTEN.includes(entry.name) || NOT_WRITTEN.includes(file)) return [];
    if (entry.name.startsWith('.') && entry.name !== '.github') return [];
    return entry.isDirectory() ? filesIn(file) : [file];
  });
}
