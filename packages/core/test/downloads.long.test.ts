import { setTimeout as sleep } from 'node:timers/promises';
import { nodeBinaries, startLoad } from '@endless/testkit';
import { expect, test } from 'vitest';
import { hup } from './program.js';
import { serveSecure } from './secure.js';

const RESTARTS = 10;

for (const { version, path: node } of nodeBinaries())
  test(`${RESTARTS} restarts lose nothing of downloads of 10 MB at 1 MB/s on Node ${version}`, async () => {
    const { program, ports } = await serveSecure({ maxDraining: RESTARTS }, node, {
      maxProcesses: RESTARTS + 2,
    });
    const load = startLoad({
      port: ports.http,
      connections: 20,
      mode: 'keep-alive',
      timeout: 20_000,
      request: () => ({ target: '/download' }),
    });
    for (let restarts = 0, pid = program.pid; restarts < RESTARTS; restarts += 1) {
      await sleep(1_200);
      pid = await hup(program, pid);
    }
    const { lost, answered } = await load.stop();
    expect(lost).toEqual([]);
    expect(answered).toBeGreaterThanOrEqual(20);
    await program.waitForPids(1);
  });
