import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { get, startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { getJson, lines, type Run, run, until, workers } from './program.js';

const pidOf = async ({ port }: Run) => (await getJson<{ pid: number }>(port, '/')).pid;

describe('one worker', () => {
  test('restarts by SIGHUP lose no request and close no connection, and no process is left', async () => {
    const served = await run('endless.mjs');
    const { program, port } = served;
    const kept = startLoad({ port, connections: 10, mode: 'keep-alive' });
    const fresh = startLoad({ port, connections: 2, mode: 'new-connection' });
    for (let restart = 1; restart <= 3; restart += 1) {
      program.signal('SIGHUP');
      await lines(served, /restart: done/, restart);
    }
    const reports = [await kept.stop(), await fresh.stop()];
    expect(reports.map(({ lost }) => lost)).toEqual([[], []]);
    expect(reports[0]).toMatchObject({ opened: 10, idleClosed: 0, toldToClose: 0 });
    // The supervisor and one worker.
    await program.waitForPids(2);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await program.waitForPids(0);
  });

  longTest('a program without endless restarts too', async () => {
    const { port, command, program } = await run('plain.mjs');
    const before = (await get({ port })).body;
    expect(await command('restart')).toMatchObject({ code: 0 });
    expect((await get({ port })).body).not.toBe(before);
    await program.waitForPids(2);
  });

  test('a crash refuses no connection: clients wait for the next process', async () => {
    const served = await run('endless.mjs');
    await sleep(1_100);
    const load = startLoad({ port: served.port, connections: 4, mode: 'new-connection' });
    await sleep(100);
    served.program.signal('SIGKILL', workers(served)[0]);
    await lines(served, /is ready/, 2);
    await sleep(100);
    const { lost, lostBy, answered } = await load.stop();
    expect(answered).toBeGreaterThan(0);
    expect([...lostBy.keys()].filter((reason) => reason !== 'reset' && reason !== 'ended')).toEqual([]);
    expect(lost.length).toBeLessThanOrEqual(4);
    expect(served.program.stderr).toMatch(/was killed by SIGKILL: starting it again\.$/m);
  });

  test('the program sees its place among the workers, and nothing of the channels', async () => {
    const { port, command } = await run('endless.mjs');
    const seen = () => getJson<object>(port, '/');
    const plain = { worker: { index: 0 }, channel: ['undefined', false], environment: [] };
    expect(await seen()).toMatchObject({ ...plain, generation: 0 });
    expect(await command('restart')).toMatchObject({ code: 0 });
    expect(await seen()).toMatchObject({ ...plain, generation: 1 });
  });

  test('`endless.restart()` and a SIGHUP to the worker restart all workers', async () => {
    const served = await run('endless.mjs');
    const first = await pidOf(served);
    const result = await getJson<{ pid: number }>(served.port, '/restart');
    expect(result).toMatchObject({ generation: 1 });
    expect([first, await pidOf(served)]).toEqual([first, result.pid]);
    await served.program.waitForPids(2);
    served.program.signal('SIGHUP', result.pid);
    await lines(served, /restart: done/, 2);
    expect(await getJson(served.port, '/')).toMatchObject({ generation: 2 });
  });

  test('a stop that force-closes a request ends the run with code 1', async () => {
    const { program, port } = await run('endless.mjs', { settings: { hammerTime: 200 } });
    const slow = get({ port, path: '/slow' }).catch(() => 'cut');
    await sleep(200);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(await slow).toBe('cut');
  });

  test('when the supervisor is killed, the worker drains and exits, and the port is free', async () => {
    const settings = { idleGrace: 0, shutdownDelay: 10_000 };
    const { program, port } = await run('endless.mjs', { settings });
    const slow = get({ port, path: '/slow' });
    await sleep(200);
    program.signal('SIGKILL');
    const refused = () =>
      get({ port }).then(
        () => false,
        ({ code }) => code === 'ECONNREFUSED',
      );
    await until(refused, 2_000);
    expect((await slow).body).toBe('slow');
    await program.waitForPids(0);
  });

  longTest(
    'the next supervisor serves on the port of a killed one, whose 3 workers drain and exit',
    async () => {
      const { program, port } = await run('endless.mjs', { flags: ['--workers', '3'], ready: /\(3 of 3\)/ });
      const slow = get({ port, path: '/slow' });
      await sleep(200);
      program.signal('SIGKILL');
      await program.exited;
      const next = await run('endless.mjs', { env: { PORT: String(port) } });
      expect((await pidOf({ ...next, port })) > 0).toBe(true);
      expect((await slow).body).toBe('slow');
      await program.waitForPids(0);
    },
  );
});
