import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, read, rowsOf } from './markdown.js';
import { type Title, titlesOf } from './source-text.js';

type Suite = 'default' | 'long';
const SUITES: readonly Suite[] = ['default', 'long'];

/** The promises that no test of these suites shows; the table has the reason. Never add one. */
const WITHOUT: Record<string, readonly Suite[]> = { 'No steady-state overhead': ['long'] };

/** The functions that register a test of each suite, in a file that has tests for both. */
const CALLS: Record<Suite, readonly string[]> = {
  // `register` is `test` or `longTest`, as each row of a loop says.
  default: ['test', 'rowTest', 'register'],
  long: ['longTest', 'rowTest', 'register'],
};

const PROMISES = promisesOf(read('docs/guarantees.md'));
const ROWS = rowsOf(read('CONTRIBUTING.md'), 'Promise');

test('CONTRIBUTING.md names the tests that show each promise of docs/guarantees.md', () => {
  expect(PROMISES.length).toBeGreaterThan(5);
  expect(faultsIn(ROWS)).toEqual([]);
});

describe('the check finds', () => {
  const LONG = '`core/test/restart.long.test.ts` "load of 50 clients lose no request"';
  const DEFAULT = '`core/test/restart.test.ts` "under strict new-connection load, 5 times"';
  /** The table with other witnesses of its first promise. */
  const withFirst = (byDefault: string, long: string) => [
    [PROMISES[0] as string, byDefault, long],
    ...ROWS.slice(1),
  ];
  /** The table with other cells of a promise that no test shows. */
  const withLast = (byDefault: string, long: string) => {
    const [without = ''] = Object.keys(WITHOUT);
    return [...ROWS.filter(([promise]) => promise !== without), [without, byDefault, long]];
  };

  test('nothing in witnesses of both suites, alone or several', () => {
    expect(faultsIn(withFirst(DEFAULT, LONG))).toEqual([]);
    expect(faultsIn(withFirst(`${DEFAULT}<br>${DEFAULT}`, LONG))).toEqual([]);
  });

  test.each<[string, string[][], string]>([
    ['a promise without a row', ROWS.slice(1), 'no row'],
    ['a promise with two rows', [...ROWS, ROWS[0] as string[]], 'two rows'],
    ['a row without a promise', [...ROWS, ['All is well', DEFAULT, LONG]], 'not a promise'],
    ['a wrong title', withFirst(DEFAULT.replace('5 times', '6 times'), LONG), '0 titles'],
    ['a part of two titles', withFirst('`core/test/restart.test.ts` "of three processes"', LONG), '2 titles'],
    ['a wrong file', withFirst(DEFAULT.replace('restart', 'no'), LONG), 'no such test file'],
    ['a file without tests', withFirst('`core/test/program.ts` "a"', LONG), 'no such test file'],
    ['a default witness in a long file', withFirst(LONG, LONG), 'not in the default suite'],
    ['a long witness in a default file', withFirst(DEFAULT, DEFAULT), 'not in the long suite'],
    [
      'a default witness that is a `longTest`',
      withFirst('`core/test/rollback.test.ts` "leaves no descriptor behind"', LONG),
      'not in the default suite',
    ],
    ['a missing witness', withFirst('— no test shows it, for some reason', LONG), 'no witness'],
    ['words beside a witness', withFirst(`${DEFAULT}, and more`, LONG), 'no witness'],
    ['a witness where none is expected', withLast(DEFAULT, LONG), 'take it off WITHOUT'],
    ['no reason for no witness', withLast('—', '—'), 'no reason'],
  ])('%s', (_what, rows, fault) => {
    expect(faultsIn(rows).join('\n')).toContain(fault);
  });

  test('the titles in a file, with what registers them', () => {
    const source = `
      longTest.skipIf(!a)('it\\'s', () => {});
      test.each(rowsOf([1, 2], (row) => row === 1))(
        \`a #{b ? \`c #{d}\` : 'e f'} g #{h}\`,
        async () => log('i'),
      );
      // test('a comment', () => {});
      test(name, () => {});
      describe("j \`k\`", () => {});
    `.replaceAll('#{', '$\x7b');
    expect(titlesOf(source)).toEqual([
      { call: 'longTest', text: "it's" },
      { call: 'test', text: 'a … g …' },
      { call: 'describe', text: 'j `k`' },
    ]);
  });
});

/** The headings of the sections with the promises. */
function promisesOf(page: string): string[] {
  return ['Promises', 'With `endless run`'].flatMap((title) => {
    const section = page.split(`\n## ${title}\n`)[1]?.split('\n## ')[0] ?? '';
    const headings = [...section.matchAll(/^### (.+)$/gm)].map(([, heading]) => heading as string);
    expect(headings.length, title).toBeGreaterThan(2);
    return headings;
  });
}

/** What is wrong with the rows of the table, a line each. */
function faultsIn(rows: readonly string[][]): string[] {
  const named = rows.map(([promise = '']) => promise);
  return [
    ...PROMISES.filter((promise) => !named.includes(promise)).map((promise) => `${promise}: no row`),
    ...named.filter((promise, at) => named.indexOf(promise) < at).map((promise) => `${promise}: two rows`),
    ...named.filter((promise) => !PROMISES.includes(promise)).map((promise) => `${promise}: not a promise`),
    ...rows.flatMap(([promise = '', ...cells]) =>
      SUITES.flatMap((suite, at) =>
        faultsOfCell(cells[at] ?? '', suite, WITHOUT[promise]?.includes(suite) ?? false).map(
          (fault) => `${promise}, ${suite}: ${fault}`,
        ),
      ),
    ),
  ];
}

/** What is wrong with the witnesses of a promise in one suite. */
function faultsOfCell(cell: string, suite: Suite, without: boolean): string[] {
  if (without) {
    if (!cell.startsWith('—')) return ['it has a witness: take it off WITHOUT'];
    return /^— \w.{15,}/.test(cell) ? [] : ['no reason why it has no witness'];
  }
  return cell.split('<br>').flatMap((text) => {
    const [, file, part] = /^`([^`]+)` "([^"]+)"$/.exec(text.trim()) ?? [];
    return file && part ? faultsOfWitness(file, part, suite) : [`no witness: ${text}`];
  });
}

/** What is wrong with one witness: a part of a title in a test file below `packages`. */
function faultsOfWitness(file: string, part: string, suite: Suite): string[] {
  const inRoot = path.posix.join('packages', file);
  if (!file.endsWith('.test.ts') || !existsSync(path.join(ROOT, inRoot)))
    return [`no such test file: ${file}`];
  const titles = titlesRunBy(inRoot).filter(({ text }) => text.includes(part));
  if (titles.length !== 1) return [`${file} has ${titles.length} titles with "${part}"`];
  const isLong = file.endsWith('.long.test.ts');
  const isIn = isLong ? suite === 'long' : titles.some(({ call }) => CALLS[suite].includes(call));
  return isIn ? [] : [`"${part}" in ${file} is not in the ${suite} suite`];
}

/** The titles in a test file, and in the files beside it that it imports. */
function titlesRunBy(file: string): Title[] {
  const source = read(file);
  const imported = [...source.matchAll(/ from '(\.\/[^']+)\.js'/g)].map(([, name]) =>
    path.posix.join(path.posix.dirname(file), `${name}.ts`),
  );
  return [source, ...imported.map(read)].flatMap(titlesOf);
}
