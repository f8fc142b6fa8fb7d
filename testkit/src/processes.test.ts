import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { type Program, type ProgramOptions, startProgram } from './processes.js';

const folder = mkdtempSync(path.join(tmpdir(), 'endless-testkit-'));
const programs: Program[] = [];

afterEach(async () => {
  for (const program of programs.splice(0)) await program.stop();
});
afterAll(() => rmSync(folder, { recursive: true }));

test('`waitFor` finds text that was written before and after it was called, and tells where', async () => {
  const program = start(`console.log('one'); setTimeout(() => console.error('two 2'), 50)`);
  const one = await program.waitFor('one', { from: 'stdout' });
  const two = await program.waitFor(/two (\d)/g);
  expect([one.index, two.index, two[1]]).toEqual([0, 4, '2']);
  expect(program).toMatchObject({ stdout: 'one\n', stderr: 'two 2\n', output: 'one\ntwo 2\n' });
  await expect(program.waitFor('one', { after: 3 })).rejects.toThrow('has ended, no process of it is left');
  expect(await program.exited).toEqual({ code: 0, signal: null });
});

test('`waitFor` rejects with all output when the time is over', async () => {
  const program = start(`console.log('here'); setInterval(() => {}, 1000)`);
  await program.waitFor('here');
  await expect(program.waitFor('never', { timeout: 50 })).rejects.toThrow(/did not write it in 50 ms.*here/s);
});

test('`startProgram` lists, reads and stops a successor that outlives its parent', async () => {
  const program = start(`
    if (process.argv[2]) setInterval(() => console.log('successor', process.pid), 50);
    else {
      require('node:child_process').spawn(process.execPath, [__filename, '2'], { stdio: 'inherit', detached: true });
      setTimeout(() => process.exit(3), 100);
    }`);
  expect(await program.exited).toEqual({ code: 3, signal: null });
  const mark = program.stdout.length;
  const [, pid] = await program.waitFor(/successor (\d+)/, { from: 'stdout', after: mark });
  expect(program.pids()).toEqual([Number(pid)]);
  expect(() => program.signal('SIGTERM')).toThrow('no living process of this program');
  expect(() => program.signal('SIGTERM', process.pid)).toThrow('no living process of this program');
  await program.stop();
  expect(program.pids()).toEqual([]);
});

test('`startProgram` kills a program that starts too many processes', async () => {
  const program = start(
    `require('node:child_process').spawn(process.execPath, [__filename], { stdio: 'inherit', detached: true });
     setInterval(() => {}, 1000);`,
    { maxProcesses: 3 },
  );
  await expect(program.waitFor('never')).rejects.toThrow(/runaway: \d+ processes at once/);
  await program.waitForPids(0, 5000);
});

test('`waitFor` rejects with the reason when a program cannot be started', async () => {
  const program = start('', { node: path.join(folder, 'no-such-node') });
  await expect(program.waitFor('anything')).rejects.toThrow('could not be started');
  expect(await program.exited).toEqual({ code: null, signal: null });
});

function start(source: string, options?: ProgramOptions): Program {
  const file = path.join(folder, `program-${programs.length}-${Date.now()}.cjs`);
  writeFileSync(file, source);
  const program = startProgram(file, options);
  programs.push(program);
  return program;
}
