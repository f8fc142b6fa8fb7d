import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Program, type ProgramOptions, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';

const FIXTURES = fileURLToPath(new URL('./fixtures', import.meta.url));
const require = createRequire(import.meta.url);

/** Starts a program that is to end by itself, and soon. */
function start(file: string, options: ProgramOptions = {}): Program {
  const program = startProgram(file, { cwd: path.join(FIXTURES, 'runners'), ...options });
  onTestFinished(() => program.stop());
  return program;
}

/** The files of a package's command. */
const bin = (name: string, file: string) =>
  path.join(path.dirname(require.resolve(`${name}/package.json`)), file);

const CAME_LATE = 'Call endless() before listen()';

describe('supertest against the bare app, which uses endless() without an option', () => {
  const said = '{"statuses":[200,200,200,200,404],"left":0,"state":"init"}';

  for (const [where, file, options] of [
    ['a program', 'supertest.mjs', {}],
    ['a forked worker', 'supertest.mjs', { ipc: true }],
    ['a worker thread', 'thread.mjs', {}],
  ] as const)
    test(`${where} gets its answers, keeps no signal listener and ends by itself`, async () => {
      const program = start(path.join(FIXTURES, file), options);
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(program.stdout).toContain(said);
    });

  test('prints no warning that endless() came too late', async () => {
    const program = start(path.join(FIXTURES, 'supertest.mjs'));
    await program.exited;
    expect(program.stderr).not.toContain(CAME_LATE);
  });

  for (const pool of ['forks', 'threads'])
    test(`passes under vitest with the pool ${pool}, which ends by itself`, async () => {
      const program = start(bin('vitest', 'vitest.mjs'), { args: ['run', '--pool', pool, '--no-color'] });
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(program.stdout).toMatch(/Tests +8 passed/);
      expect(program.output).not.toMatch(/unhandled|hanging|timed out/i);
    });

  for (const [how, args] of [
    ['in one process', ['--runInBand', '--detectOpenHandles']],
    ['in forked workers', ['--maxWorkers=2']],
    ['in worker threads', ['--maxWorkers=2', '--workerThreads']],
  ] as const)
    test(`passes under jest ${how}, which ends by itself`, async () => {
      const program = start(bin('jest', 'bin/jest.js'), {
        execArgv: ['--experimental-vm-modules'],
        args: [...args, '--ci', '--colors=false'],
      });
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(program.stderr).toMatch(/Tests: +8 passed, 8 total/);
      expect(program.stderr).not.toMatch(/did not exit|failed to exit|open handle/i);
    });
});
