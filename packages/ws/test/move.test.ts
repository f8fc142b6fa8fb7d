import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { expect } from 'vitest';
import { killSuccessor } from './deaths.js';
import { chat, connect, getJson, hup, lossesOf, serve, storm, until } from './program.js';

interface Stats {
  migrated: number;
  generation: number;
  connections: number;
}

test('100 clients, messages both ways every 5 ms, 3 restarts: nothing lost, doubled, out of order or closed', async () => {
  const { program, port } = await serve('echo.mjs');
  const clients = await connect(port, 100);
  const stop = chat(clients);
  for (let restart = 0, pid = program.pid; restart < 3; restart += 1) {
    pid = await hup(program, pid);
    await program.waitForPids(1);
  }
  stop();
  expect(await lossesOf(clients)).toEqual([]);
  expect((await getJson<Stats>(port, '/')).generation).toBe(3);
});

longTest('torn and fragmented messages, binaries of up to 1 MB and pings, 5 restarts: likewise', async () => {
  const { program, port } = await serve('echo.mjs');
  const clients = await connect(port, 20);
  const stop = storm(clients);
  for (let restart = 0, pid = program.pid; restart < 5; restart += 1) {
    const before = clients.map(({ received }) => received);
    await until(() => clients.every(({ received }, at) => received > (before[at] as number) + 5), 10_000);
    pid = await hup(program, pid);
    await program.waitForPids(1);
  }
  await stop();
  expect(await lossesOf(clients)).toEqual([]);
  expect((await getJson<Stats>(port, '/')).generation).toBe(5);
});

describe('a successor that is killed', () => {
  rowTest.each(rowsOf([0, 3, 10, 30], (after) => after === 3))(
    '%i ms after it took over: every connection lives or was closed, none hangs',
    async (delay) => {
      const { alive, closed } = await killSuccessor(delay);
      expect(alive + closed).toBe(200);
    },
  );
});
