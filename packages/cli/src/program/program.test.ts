import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { argumentsOf, Program, UsageError } from './program.js';

test('a release has every link resolved, and a switched link counts at the next look', () => {
  const folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'endless-')));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const name of ['one', 'two']) {
    mkdirSync(path.join(folder, name));
    writeFileSync(path.join(folder, name, 'server.js'), '');
  }
  const link = path.join(folder, 'current');
  symlinkSync('one', link);
  const program = new Program(['node', '--no-warnings', path.join(link, 'server.js'), 'a']);
  const first = program.resolve();
  unlinkSync(link);
  symlinkSync('two', link);
  const second = program.resolve();
  const [require, , ...words] = argumentsOf(first, 'given');
  expect(words).toEqual(['--no-warnings', path.join(folder, 'one/server.js'), 'a']);
  expect(second.script).toBe(path.join(folder, 'two/server.js'));
  expect(require).toBe('--require');
});

test('a program runs with this Node.js, unless it names one', () => {
  expect(new Program(['server.js']).resolve().command).toBe(process.execPath);
  expect(new Program(['/usr/bin/node', 'server.js']).resolve().command).toBe('/usr/bin/node');
});

test('a process beside another one gets any free inspector port', () => {
  const release = new Program(['node', '--inspect=0.0.0.0:9229', 'server.js', '--inspect']).resolve();
  const [given, free] = [argumentsOf(release, 'given'), argumentsOf(release, 'free')];
  expect([given[2], free[2]]).toEqual(['--inspect=0.0.0.0:9229', '--inspect=0.0.0.0:0']);
  expect([given.at(-1), free.at(-1)]).toEqual(['--inspect', '--inspect']);
});

test('options of Node.js need its name before them', () => {
  expect(() => new Program(['--import', 'tsx', 'server.ts'])).toThrow(UsageError);
});
