import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { isEndlessCommand } from './endless-command.js';

test.each([
  ['@endless/cli', 'dist/bin.js', true],
  ['@endless/cli', 'dist/drill/run-child.js', true],
  ['@endless/cli', 'dist/other.js', false],
  ['my-app', 'dist/bin.js', false],
  [undefined, 'dist/bin.js', false],
])('of the package %s the script %s is a command of endless: %s', (name, file, is) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const script = path.join(folder, 'package', file);
  mkdirSync(path.dirname(script), { recursive: true });
  writeFileSync(script, '');
  if (name !== undefined) writeFileSync(path.join(folder, 'package/package.json'), JSON.stringify({ name }));
  const link = path.join(folder, 'endless');
  symlinkSync(script, link);
  expect([isEndlessCommand(script), isEndlessCommand(link)]).toEqual([is, is]);
});

test('a process without a script, or with one that is gone, is no command of endless', () => {
  expect([isEndlessCommand(undefined), isEndlessCommand('/nowhere/dist/bin.js')]).toEqual([false, false]);
});
