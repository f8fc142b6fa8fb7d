import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { type Load, nodeBinaries, startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { ask, open } from './connection.js';
import { killedAfter } from './killed-successor.js';
import { getJson, hup, newestPid, serve, until } from './program.js';

interface Stats {
  migrated: number;
  connections: number;
}

describe('a restart closes no plaintext connection', () => {
  for (const { version, path: node } of nodeBinaries()) {
    longTest(
      `500 connections with random think time over 10 restarts, Node ${version}`,
      {
        timeout: 90_000,
      },
      async () => {
        const { program, port } = await serve('app.mjs', {}, { node });
        // Node.js accepts one connection a turn: on a busy machine the requests of the first would keep the others out.
        const thinkTime = () => (load.answered <= 500 ? 1_500 : Math.random() * 200);
        const load: Load = startLoad({ port, connections: 500, mode: 'keep-alive', thinkTime });
        await until(() => load.answered > 1_000);
        for (let restart = 0; restart < 10; restart += 1) await hup(program);
        await until(() => load.answers.has('10'));
        const report = await load.stop();
        expect(report.lost).toEqual([]);
        expect(report.opened).toBe(500);
      },
    );
  }

  longTest('also if the application closes its server the moment that the restart is committed', async () => {
    const { program, port } = await serve(
      'connections.mjs',
      { rollbackWindow: 100 },
      { env: { CLOSE: '1' } },
    );
    const thinkTime = () => Math.random() * 50;
    const load = startLoad({ port, connections: 50, mode: 'keep-alive', thinkTime });
    await until(() => load.answered > 500);
    for (let restart = 1; restart <= 5; restart += 1) {
      await hup(program);
      await program.waitForPids(1);
    }
    const { lost, opened } = await load.stop();
    expect(lost).toEqual([]);
    expect(opened).toBe(50);
  });

  test('idle and silent connections move at once, keep their addresses, and the old process exits', async () => {
    const { program, port } = await serve('app.mjs');
    const sockets = await Promise.all(Array.from({ length: 100 }, () => open(port)));
    await Promise.all(sockets.slice(0, 50).map((socket) => ask(socket)));
    await hup(program);
    await program.waitForPids(1);
    expect((await getJson<Stats>(port, '/stats')).migrated).toBe(100);
    for (const socket of sockets) expect(await ask(socket)).toMatch(/x-generation: 1/i);
    expect(newestPid(program)).not.toBe(program.pid);
  });
});

describe('a successor that dies while connections move', () => {
  for (const after of rowsOf([0, 2, 5, 10, 20], (after) => after === 5))
    rowTest(`${after} ms after it took over: no connection hangs, and none has two owners`, async () => {
      const { program, port } = await serve('app.mjs', { idleGrace: 2_000, rollbackWindow: 2_000 });
      const sockets = await Promise.all(Array.from({ length: 300 }, () => open(port)));
      const closed = new Set<Socket>();
      for (const socket of sockets) socket.once('close', () => closed.add(socket));
      const successor = await hup(program);
      await sleep(after);
      program.signal('SIGKILL', successor);
      await until(() => !program.pids().includes(successor));
      // The successor's connections are closed; the old process, which serves again, answers on all others.
      const answers = await Promise.all(sockets.map((socket) => ask(socket).catch(() => 'closed')));
      for (const [at, answer] of answers.entries())
        if (answer === 'closed') expect(closed).toContain(sockets[at]);
        else expect(answer).toMatch(/x-generation: 0/i);
      await program.waitFor('Rolled back');
      const kept = sockets.filter((_socket, at) => answers[at] !== 'closed');
      for (const answer of await Promise.all(kept.map(ask)))
        expect(answer).toMatch(/connection: keep-alive/i);
      expect(program.pids()).toEqual([program.pid]);
    });

  for (const moves of rowsOf([1, 32, 33, 150, 299], (moves) => moves === 33))
    rowTest(`after ${moves} moves: no connection hangs, and no other ends`, () => killedAfter(moves));
});
