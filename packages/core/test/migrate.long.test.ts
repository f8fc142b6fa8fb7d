import type { Socket } from 'node:net';
import { nodeBinaries, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { ask, open } from './connection.js';
import { getJson, hup, serve, until } from './program.js';

interface Stats {
  migrated: number;
  connections: number;
}

describe.each(nodeBinaries())('on Node $version', ({ path: node }) => {
  test('10,000 idle connections all move and all answer on the new process', async () => {
    const { program, port } = await serve('app.mjs', { logger: false }, { node, ready: /listening/ });
    const sockets: Socket[] = [];
    while (sockets.length < 10_000)
      sockets.push(...(await Promise.all(Array.from({ length: 250 }, () => open(port)))));
    const closed: Socket[] = [];
    for (const socket of sockets) socket.once('close', () => closed.push(socket));
    program.signal('SIGHUP');
    await program.exited;
    expect((await getJson<Stats>(port, '/stats')).migrated).toBe(10_000);
    for (let at = 0; at < sockets.length; at += 250)
      for (const answer of await Promise.all(sockets.slice(at, at + 250).map(ask)))
        expect(answer).toMatch(/x-generation: 1/i);
    expect(closed).toEqual([]);
  });
});

test('a connection opened at generation 0 answers at generation 100, under load', async () => {
  const { program, port } = await serve('app.mjs');
  const idle = await open(port);
  const load = startLoad({ port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
  for (let restart = 0; restart < 100; restart += 1) await hup(program);
  await until(() => load.answers.has('100'));
  const report = await load.stop();
  expect(report.lost).toEqual([]);
  expect(report.opened).toBe(10);
  expect(await ask(idle)).toMatch(/x-generation: 100/i);
});
