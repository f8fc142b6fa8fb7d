import type { Socket } from 'node:net';
import { nodeBinaries } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { ask, open } from './connection.js';
import { killedAfter } from './killed-successor.js';
import { getJson, serve } from './program.js';

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

  test('a successor that is killed after any number of moves, 20 times', async () => {
    for (let time = 0; time < 20; time += 1) await killedAfter(1 + Math.floor(Math.random() * 300), node);
  });
});
