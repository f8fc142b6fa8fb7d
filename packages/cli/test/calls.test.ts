import { realpathSync } from 'node:fs';
import { describe, longTest, test } from '@endless/conformance';
import { expect } from 'vitest';
import {
  getJson,
  lines,
  type Run,
  type RunOptions,
  run,
  temporaryFolder,
  until,
  workers,
} from './program.js';

interface Answer {
  called: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: each call has another result.
  result: any;
  worker: string;
  pid: number;
  generation: number;
  words: string[];
  cwd: string;
  given?: string;
}

async function start(count: number, options: RunOptions = {}): Promise<Run> {
  const served = await run('calls.mjs', {
    ...options,
    ...{ flags: ['--workers', String(count)], maxProcesses: 12 },
  });
  await lines(served, new RegExp(`is ready \\(${count} of ${count}\\)`), 1);
  return served;
}

/** Asks new connections until one reaches the worker that the call is for. */
async function call({ port }: Run, name: string, worker: number): Promise<Answer> {
  for (;;) {
    const answer = await getJson<Answer>(port, `/${name}/${worker}`);
    if (answer.called) return answer;
  }
}

describe('`endless.restart()` in a worker', () => {
  test('two calls at once are two restarts, and each gets the result of its own, over its own replacement', async () => {
    const served = await start(1);
    const { result, generation } = await call(served, 'twice', 0);
    expect([generation, ...result.map((each: Answer) => each.generation)]).toEqual([0, 1, 2]);
    expect(result[1].pid).toBe(workers(served)[0]);
    await served.program.waitForPids(2);
  });

  longTest('calls in every worker during a restart share the one that follows', async () => {
    const served = await start(3);
    const first = call(served, 'restart', 1);
    await lines(served, /worker 0 is now/, 1);
    const [second, third] = [call(served, 'restart', 2), call(served, 'restart', 0)];
    expect((await first).result).toMatchObject({ generation: 1 });
    expect((await second).result).toMatchObject({ generation: 2 });
    expect((await third).result).toMatchObject({ generation: 2 });
    expect(served.program.stderr.match(/restart: done/g)).toHaveLength(2);
  });

  longTest('a call that no request waits for gets its result before the old process exits', async () => {
    const served = await start(3);
    await call(served, 'later', 0);
    await served.program.waitFor(/later \{"pid":\d+,"generation":1\}/);
    await served.program.waitForPids(4);
  });

  longTest('fails with the reason of the supervisor', async () => {
    const served = await start(2, { settings: { restart: { args: ['missing.mjs'] }, startTimeout: 5_000 } });
    const { result } = await call(served, 'restart', 1);
    expect(result.code).toBe('ERR_ENDLESS_SUPERVISED');
    expect(result.message).toMatch(/worker 0: .*exited with status 1 before it was ready/);
  });

  longTest('during a stop it is refused, and does not delay the stop', async () => {
    const served = await start(2);
    const called = call(served, 'restart', 0).catch(() => undefined);
    await lines(served, /forking/, 1);
    const began = performance.now();
    served.program.signal('SIGTERM');
    expect(await served.program.exited).toEqual({ code: 0, signal: null });
    expect((await called)?.result.code).toMatch(/ERR_ENDLESS_/);
    expect(performance.now() - began).toBeLessThan(8_000);
  });
});

describe('a worker that stops by itself', () => {
  test('by `endless.shutdown()` gets another in its place, stays until it exits, and delays no stop', async () => {
    const served = await start(1, { settings: { idleGrace: 0 } });
    const { program } = served;
    const [before] = workers(served) as [number];
    await call(served, 'shutdown', 0);
    await lines(served, /worker 0: pid \d+ is ready/, 2);
    expect((await getJson<Answer>(served.port, '/')).pid).not.toBe(before);
    await program.waitFor('worker 0 has shut down');
    expect(program.pids()).toContain(before);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  longTest('at once after each start is started again with longer and longer waits', async () => {
    const served = await run('calls.mjs', { env: { AT_ONCE: 'shutdown' }, flags: ['--give-up', '4s'] });
    await served.program.waitFor(/stops by itself: starting another in 1\.\d s|in 0\.[89] s/);
    await served.program.waitFor(/stops by itself: starting another in (?:1\.[6-9]|2\.\d) s/);
  });

  longTest('by `process.exit(0)` is started again, as after a crash', async () => {
    const served = await start(2);
    await call(served, 'exit', 1);
    await lines(served, /worker 1 \(pid \d+\) exited with code 0: starting it again/, 1);
    await lines(served, /worker 1: pid \d+ is ready/, 2);
  });
});

describe('the `restart` settings of a program', () => {
  longTest('count for each successor, and for each process that replaces it after a crash', async () => {
    const folder = realpathSync(temporaryFolder());
    const served = await start(2, {
      args: ['first'],
      settings: {
        restart: {
          args: ['--no-warnings', new URL('./fixtures/calls.mjs', import.meta.url).pathname, 'second'],
          env: { GIVEN: 'yes' },
          cwd: folder,
        },
      },
    });
    const seen = async () => {
      const { words, cwd, given } = await getJson<Answer>(served.port, '/');
      return { words, cwd, given };
    };
    expect(await seen()).toEqual({ words: ['first'], cwd: process.cwd(), given: undefined });
    expect((await served.command('restart')).code).toBe(0);
    const second = { words: ['second'], cwd: folder, given: 'yes' };
    expect(await seen()).toEqual(second);
    await until(async () => (await served.command('status')).code === 0);
    for (const index of [0, 1]) {
      served.program.signal('SIGKILL', workers(served)[index]);
      await lines(served, new RegExp(`worker ${index}: pid \\d+ is ready`), 2);
    }
    expect((await served.command('scale', '3')).code).toBe(0);
    for (let ask = 0; ask < 20; ask += 1) expect(await seen()).toEqual(second);
  });
});
