import { setTimeout as sleep } from 'node:timers/promises';
import { get, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { lines, run, workers } from './program.js';

describe('several workers', () => {
  test('a rolling restart of 3 workers loses no request and closes no connection', async () => {
    const served = await run('plain.mjs', { flags: ['--workers', '3'], maxProcesses: 12 });
    const { program, port, command } = served;
    await lines(served, /is ready \(3 of 3\)/, 1);
    const before = workers(served);
    const kept = startLoad({ port, connections: 12, mode: 'keep-alive' });
    const fresh = startLoad({ port, connections: 2, mode: 'new-connection' });
    expect(await command('restart')).toMatchObject({ code: 0 });
    expect(await command('restart')).toMatchObject({ code: 0 });
    const reports = [await kept.stop(), await fresh.stop()];
    expect(reports.map(({ lost }) => lost)).toEqual([[], []]);
    expect(reports[0]).toMatchObject({ opened: 12, idleClosed: 0, toldToClose: 0 });
    expect(workers(served).filter((pid) => before.includes(pid))).toEqual([]);
    await program.waitForPids(4);
  });

  test('each worker knows its index, and a replacement keeps it', async () => {
    const served = await run('plain.mjs', { flags: ['--workers', '2'] });
    await lines(served, /is ready \(2 of 2\)/, 1);
    await sleep(1_100);
    const seen = async () => {
      const bodies = new Set<string>();
      for (let ask = 0; ask < 60; ask += 1) bodies.add((await get({ port: served.port })).body);
      return [...bodies].map((body) => body.split(' ').slice(1, 3).join(' ')).sort();
    };
    expect(await seen()).toEqual(['0 0', '1 1']);
    const old = workers(served)[1] as number;
    served.program.signal('SIGKILL', old);
    await lines(served, /worker 1: pid \d+ is ready/, 2);
    expect(workers(served)[1]).not.toBe(old);
    expect(await seen()).toEqual(['0 0', '1 1']);
  });

  test('a later worker that cannot be replaced serves on: exit code 4, and the next restart begins with it', async () => {
    const served = await run('plain.mjs', {
      flags: ['--workers', '2'],
      env: { FAULT_WORKER: '1' },
    });
    const { command, fault } = served;
    await lines(served, /is ready \(2 of 2\)/, 1);
    const before = workers(served);
    fault('throw');
    const { code, output } = await command('restart');
    expect(code).toBe(4);
    expect(output).toContain('1 of 2 workers are new');
    expect(await command('status')).toMatchObject({ code: 1, output: expect.stringContaining('is mixed') });
    expect(workers(served)[1]).toBe(before[1]);
    fault();
    const second = await command('restart');
    expect(second.code).toBe(0);
    expect(second.output).toMatch(/worker 1 is now pid \d+ \(1 of 2\)/);
    expect((await command('status')).code).toBe(0);
  });

  test('`endless scale` starts workers, and stops them by a drain', async () => {
    const served = await run('plain.mjs', { maxProcesses: 10 });
    const { command, program, port } = served;
    const load = startLoad({ port, connections: 4, mode: 'new-connection' });
    expect((await command('scale', '3')).code).toBe(0);
    expect(program.pids()).toHaveLength(4);
    expect((await command('scale', '-1')).code).toBe(0);
    expect(program.pids()).toHaveLength(3);
    expect((await command('scale', '0')).code).toBe(2);
    expect((await load.stop()).lost).toEqual([]);
  });
});
