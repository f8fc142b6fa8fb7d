import { describe, longTest, test } from '@endless/conformance';
import { get, nodeBinaries, startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { getJson, lines, type Run, run, workers } from './program.js';

/** The indices of the workers that answer. */
async function indices({ port }: Run): Promise<number[]> {
  const seen = new Set<number>();
  for (let ask = 0; ask < 60; ask += 1)
    seen.add((await getJson<{ worker: { index: number } }>(port, '/')).worker.index);
  return [...seen].sort();
}

describe('several workers', () => {
  test('rolling restarts of 3 workers lose no request and close no connection', async () => {
    const served = await run('endless.mjs', { flags: ['--workers', '3'], maxProcesses: 12 });
    const { program, port, command } = served;
    await lines(served, /is ready \(3 of 3\)/, 1);
    const before = workers(served);
    const kept = startLoad({ port, connections: 12, mode: 'keep-alive' });
    const fresh = startLoad({ port, connections: 2, mode: 'new-connection' });
    for (let restart = 0; restart < 2; restart += 1)
      expect(await command('restart')).toMatchObject({ code: 0 });
    const reports = [await kept.stop(), await fresh.stop()];
    expect(reports.map(({ lost }) => lost)).toEqual([[], []]);
    expect(reports[0]).toMatchObject({ opened: 12, idleClosed: 0, toldToClose: 0 });
    expect(workers(served).filter((pid) => before.includes(pid))).toEqual([]);
    await program.waitForPids(4);
  });

  for (const { major, path: node } of nodeBinaries())
    longTest(`rolling restarts of 4 workers under load lose nothing (Node ${major})`, async () => {
      // A whole run on each version would take four minutes.
      const restarts = major === 26 ? 20 : 5;
      const served = await run('endless.mjs', { flags: ['--workers', '4'], maxProcesses: 16, node });
      const { program, port } = served;
      await lines(served, /is ready \(4 of 4\)/, 1);
      const kept = startLoad({ port, connections: 40, mode: 'keep-alive', thinkTime: () => 2 });
      const fresh = startLoad({ port, connections: 4, mode: 'new-connection', thinkTime: () => 2 });
      for (let restart = 1; restart <= restarts; restart += 1) {
        program.signal('SIGHUP');
        await lines(served, /restart: done/, restart, 60_000);
      }
      const reports = [await kept.stop(), await fresh.stop()];
      expect(reports.map(({ lost }) => lost)).toEqual([[], []]);
      expect(reports[0]).toMatchObject({ opened: 40, idleClosed: 0, toldToClose: 0 });
      await program.waitForPids(5);
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    });

  longTest('each worker knows its index, and a replacement keeps it', async () => {
    const served = await run('endless.mjs', { flags: ['--workers', '2'] });
    await lines(served, /is ready \(2 of 2\)/, 1);
    expect(await indices(served)).toEqual([0, 1]);
    const old = workers(served)[1] as number;
    served.program.signal('SIGKILL', old);
    await lines(served, /worker 1: pid \d+ is ready/, 2);
    expect(workers(served)[1]).not.toBe(old);
    expect(await indices(served)).toEqual([0, 1]);
  });

  test('`endless scale` starts workers, and stops them by a drain', async () => {
    const served = await run('endless.mjs', { maxProcesses: 10 });
    const { command, program, port } = served;
    const load = startLoad({ port, connections: 4, mode: 'new-connection' });
    expect((await command('scale', '3')).code).toBe(0);
    expect(program.pids()).toHaveLength(4);
    expect((await command('scale', '-1')).code).toBe(0);
    expect(program.pids()).toHaveLength(3);
    expect((await command('scale', '0')).code).toBe(2);
    expect((await load.stop()).lost).toEqual([]);
    expect((await get({ port })).status).toBe(200);
  });
});
