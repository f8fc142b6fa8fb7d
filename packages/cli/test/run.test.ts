import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { getJson, lines, run, temporaryFolder, until, workers } from './program.js';

describe('one worker', () => {
  test('a restart by SIGHUP to the supervisor loses no request and closes no connection', async () => {
    const served = await run('plain.mjs');
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
    // Supervisor and worker: no old process is left.
    await program.waitForPids(2);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await program.waitForPids(0);
  });

  test('a crash refuses no connection, and costs only the requests in flight', async () => {
    const served = await run('plain.mjs');
    const { program, port } = served;
    const load = startLoad({ port, connections: 4, mode: 'new-connection' });
    for (let crash = 1; crash <= 5; crash += 1) {
      await sleep(1_100);
      program.signal('SIGKILL', workers(served)[0]);
      await lines(served, /is ready/, crash + 1);
    }
    const { lostBy, lost } = await load.stop();
    expect(lostBy.get('refused') ?? 0).toBe(0);
    expect(lostBy.get('timeout') ?? 0).toBe(0);
    expect(lost.length).toBeLessThanOrEqual(5 * 4);
    expect(program.stderr).toContain('was killed by SIGKILL: starting it again.');
  }, 60_000);

  test('a failed restart changes nothing, and `endless restart` tells why with exit code 1', async () => {
    const served = await run('plain.mjs');
    const { port, fault, command, program } = served;
    const before = (await get({ port })).body;
    fault('throw');
    const { code, output } = await command('restart');
    expect(code).toBe(1);
    expect(output).toContain('broken on purpose');
    expect((await get({ port })).body).toBe(before);
    fault();
    expect(await command('restart')).toMatchObject({ code: 0 });
    expect((await get({ port })).body).not.toBe(before);
    await program.waitForPids(2);
  });

  test('the program sees its place among the workers, and nothing of the channels', async () => {
    const { port, program, command } = await run('endless.mjs');
    const seen = () => getJson<Record<string, unknown>>(port, '/');
    const plain = { worker: { index: 0 }, channel: ['undefined', false], environment: [] };
    expect(await seen()).toMatchObject({ ...plain, generation: 0 });
    expect(await command('restart')).toMatchObject({ code: 0 });
    expect(await seen()).toMatchObject({ ...plain, generation: 1 });
    await program.waitForPids(2);
  });

  test('`endless.restart()` and a SIGHUP to the worker restart all workers', async () => {
    const served = await run('endless.mjs');
    const { port, program } = served;
    const first = workers(served)[0] as number;
    const result = await getJson<{ pid: number; generation: number }>(port, '/restart');
    expect(result).toMatchObject({ generation: 1 });
    expect(result.pid).not.toBe(first);
    await program.waitForPids(2);
    program.signal('SIGHUP', result.pid);
    await lines(served, /restart: done/, 2);
    expect(await getJson(port, '/')).toMatchObject({ generation: 2 });
  });

  test.each([
    ['throw', 1],
    ['exit 3', 3],
    ['exit 0', 0],
  ])('a first start that fails by `%s` ends the run with code %i', async (fault, code) => {
    const file = path.join(temporaryFolder(), 'fault');
    writeFileSync(file, fault);
    const { program } = await run('plain.mjs', { env: { FAULT_FILE: file }, ready: /(?:)/ });
    expect(await program.exited).toEqual({ code, signal: null });
    await program.waitForPids(0);
  });

  test('a stop that force-closes a request ends the run with code 1', async () => {
    const { program, port } = await run('endless.mjs', { settings: { hammerTime: 200 } });
    const slow = get({ port, path: '/slow' }).catch(() => 'cut');
    await sleep(200);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 1, signal: null });
    expect(await slow).toBe('cut');
  });

  test('when the supervisor is killed, the worker drains, and the port is free', async () => {
    const { program, port } = await run('endless.mjs', { settings: { idleGrace: 0 } });
    const slow = get({ port, path: '/slow' });
    await sleep(200);
    program.signal('SIGKILL');
    await until(() => get({ port }).then(() => false, ({ code }) => code === 'ECONNREFUSED'));
    expect((await slow).body).toBe('slow');
    await program.waitForPids(0);
  });
});
