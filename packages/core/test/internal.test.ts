import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

/** Prints whether a process has a lifecycle once it has imported this way into core. */
const LOOK = `
  await import(process.argv[1]);
  console.log(Reflect.has(globalThis, Symbol.for('endless.lifecycle')));
`;

test.each([
  ['internal', false],
  ['adapter', true],
])('@endless/core/%s: whether importing it creates a lifecycle: %s', async (entry, creates) => {
  const args = ['--input-type=module', '-e', LOOK, import.meta.resolve(`../bundle/${entry}.js`)];
  const { stdout, stderr } = await run(process.execPath, args, { timeout: 10_000 });
  expect([stdout, stderr]).toEqual([`${creates}\n`, '']);
});

test('the supervisor loads one small file of core', () => {
  const text = readFileSync(fileURLToPath(new URL('../bundle/internal.js', import.meta.url)), 'utf8');
  const imported = [...text.matchAll(/\bfrom "([^"]+)"/g)].map(([, name]) => name);
  expect(imported.filter((name) => !name?.startsWith('node:'))).toEqual([]);
  expect(imported).not.toEqual([]);
  expect(text.length).toBeLessThan(10_000);
});
