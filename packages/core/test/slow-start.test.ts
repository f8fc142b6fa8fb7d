import { startLoad } from '@endless/testkit';
import { expect, test } from 'vitest';
import { ask, open } from './connection.js';
import { hup, serve, until } from './program.js';

test('busy connections move by and by, those at rest at once, and all arrive', async () => {
  const { program, port } = await serve('connections.mjs', {}, { env: { TELL_MOVES: '1' } });
  const resting = await Promise.all(Array.from({ length: 100 }, () => open(port)));
  await Promise.all(resting.map((socket) => ask(socket)));
  const load = startLoad({ port, connections: 24, mode: 'keep-alive' });
  await until(() => load.answered > 500);
  await hup(program);
  const [, told] = await program.waitFor(new RegExp(`moves ${program.pid} (.*)`));
  const report = await load.stop();
  expect(report.lost).toEqual([]);
  expect(report.opened).toBe(24);
  for (const socket of resting) expect(await ask(socket)).toMatch(/x-generation: 1/i);
  const moves: number[] = JSON.parse(told as string);
  expect(moves.length).toBe(124);
  // The number of the busy ones doubles in 150 ms, whatever else the machine does: each has a time before which it stays.
  for (let busy = 2; busy <= 24; busy += 1)
    expect(moves.at(busy - 25) as number).toBeGreaterThan(150 * Math.log2(busy) - 5);
  // Those at rest do not wait for them.
  expect(moves[99] as number).toBeLessThan(150 * Math.log2(24));
});

test('a short hammer time leaves time for all of them', async () => {
  const { program, port } = await serve(
    'connections.mjs',
    { hammerTime: 1_000 },
    { env: { TELL_MOVES: '1' } },
  );
  const load = startLoad({ port, connections: 200, mode: 'keep-alive' });
  await until(() => load.answered > 2_000);
  await hup(program);
  const [, told] = await program.waitFor(new RegExp(`moves ${program.pid} (.*)`));
  const report = await load.stop();
  expect(report.lost).toEqual([]);
  expect(report.opened).toBe(200);
  expect(JSON.parse(told as string).length).toBe(200);
});

test('a stop that comes meanwhile moves the rest at once', async () => {
  const { program, port } = await serve(
    'connections.mjs',
    { rollbackWindow: 2_000 },
    { env: { TELL_MOVES: '1' } },
  );
  const load = startLoad({
    port,
    connections: 300,
    mode: 'keep-alive',
    thinkTime: () => Math.random() * 200,
  });
  await until(() => load.answered > 1_000);
  await hup(program);
  program.signal('SIGTERM');
  const [, told] = await program.waitFor(new RegExp(`moves ${program.pid} (.*)`));
  const report = await load.stop();
  expect(report.lost).toEqual([]);
  expect(report.opened).toBe(300);
  const moves: number[] = JSON.parse(told as string);
  expect(moves.length).toBe(300);
  // Earlier than the last of them would have moved otherwise.
  expect(moves[299] as number).toBeLessThan(800);
});
