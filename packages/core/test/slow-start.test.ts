import { type Program, startLoad } from '@endless/testkit';
import { expect, test } from 'vitest';
import { ask, open } from './connection.js';
import { getJson, hup, serve, until } from './program.js';

/** Milliseconds from the handover to the move of each connection, of those under load and of idle ones. */
async function movesOf(
  rollbackWindow: number,
  { busy, resting = 0 }: { busy: number; resting?: number },
  atHandover: (program: Program) => void = () => {},
): Promise<number[]> {
  const { program, port } = await serve('connections.mjs', { rollbackWindow }, { env: { TELL_MOVES: '1' } });
  const sockets = await Promise.all(Array.from({ length: resting }, () => open(port)));
  await Promise.all(sockets.map((socket) => ask(socket)));
  const thinkTime = () => Math.random() * 50;
  const load = startLoad({ port, connections: busy, mode: 'keep-alive', thinkTime });
  await until(() => load.answered > 5 * busy);
  // A connection that still waits in the queue is accepted by either process. The one that asks counts too.
  await until(async () => {
    const { opened, closed } = await getJson<{ opened: number; closed: number }>(port, '/counts');
    return opened - closed > busy + resting;
  });
  await hup(program);
  atHandover(program);
  const [, told] = await program.waitFor(new RegExp(`moves ${program.pid} (.*)`));
  const report = await load.stop();
  expect(report.lost).toEqual([]);
  expect(report.opened).toBe(busy);
  for (const socket of sockets) expect(await ask(socket)).toMatch(/x-generation: 1/i);
  const moves: number[] = JSON.parse(told as string);
  expect(moves.length).toBe(busy + resting);
  return moves;
}

test('busy connections move gradually, idle ones at once', async () => {
  const moves = await movesOf(2_000, { busy: 24, resting: 100 });
  // However fast the machine is, each of the busy ones has a time before which it stays.
  for (let busy = 0; busy < 24; busy += 1)
    expect(moves.at(busy - 24) as number).toBeGreaterThan(100 + 1_805 * Math.sqrt(busy / 24) - 5);
  // Idle ones do not wait for them.
  expect(moves[99] as number).toBeLessThan(1_000);
});

test('all have moved soon after the end of the rollback window, however short that is', async () => {
  const moves = await movesOf(200, { busy: 200 });
  expect(moves[0] as number).toBeGreaterThan(95);
  expect(moves[99] as number).toBeGreaterThan(100 + 95 * Math.sqrt(99 / 200) - 5);
  expect(moves[199] as number).toBeLessThan(800);
});

test('a stop that comes meanwhile moves the rest at once', async () => {
  const moves = await movesOf(2_000, { busy: 200 }, (program) => program.signal('SIGTERM'));
  expect(moves[199] as number).toBeLessThan(800);
});
