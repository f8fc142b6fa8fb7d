import type { Socket } from 'node:net';
import { get, nodeBinaries, startLoad } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { open } from './connection.js';
import { hup, serve, until } from './program.js';

const MANY = 10_000;
const GRACE = 2_000;

/** Opens connections that never send a byte; resolves with a function that counts those closed so far. */
async function silent(port: number): Promise<{ closed(): number }> {
  const sockets: Socket[] = [];
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
  let closed = 0;
  while (sockets.length < MANY)
    sockets.push(...(await Promise.all(Array.from({ length: 250 }, () => open(port)))));
  for (const socket of sockets) socket.once('close', () => (closed += 1));
  return { closed: () => closed };
}

describe.each(nodeBinaries().filter(({ major }) => major === 20 || major === 26))(
  '10,000 connections that never send a byte, on Node $version,',
  ({ path: node }) => {
    test('hold up no shutdown, and no request in it', async () => {
      const { program, port } = await serve('app.mjs', { idleGrace: GRACE }, { node });
      const { closed } = await silent(port);
      const slow = get({ port, path: '/slow?ms=1500' });
      await until(async () => (await get({ port })).status === 200);
      const began = performance.now();
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow 0');
      expect(performance.now() - began).toBeLessThan(2_500);
      expect((await program.exited).code).toBe(0);
      expect(performance.now() - began).toBeLessThan(GRACE + 2_000);
      await until(() => closed() === MANY);
      expect(program.stderr).not.toMatch(/Error|Hammer/);
    });

    test('that come while it still accepts (`shutdownDelay`) neither', async () => {
      const settings = { idleGrace: GRACE, shutdownDelay: 10_000 };
      const { program, port } = await serve('app.mjs', settings, { node });
      const began = performance.now();
      program.signal('SIGTERM');
      await program.waitFor('Received SIGTERM');
      const { closed } = await silent(port);
      expect(performance.now() - began).toBeLessThan(10_000);
      expect((await get({ port, path: '/slow?ms=500' })).body).toBe('slow 0');
      expect((await program.exited).code).toBe(0);
      expect(performance.now() - began).toBeLessThan(10_000 + GRACE + 2_000);
      await until(() => closed() === MANY);
    });

    test('hold up no restart that cannot move them, and cost no request of others', async () => {
      const settings = { idleGrace: GRACE, migrate: false };
      const { program, port } = await serve('app.mjs', settings, { node });
      const { closed } = await silent(port);
      const load = startLoad({ port, connections: 20, mode: 'keep-alive', thinkTime: () => 5 });
      await until(() => load.answered > 100);
      const began = performance.now();
      await hup(program);
      await program.exited;
      expect(performance.now() - began).toBeLessThan(GRACE + 3_000);
      await until(() => load.answers.has('1'));
      expect((await load.stop()).lost).toEqual([]);
      await until(() => closed() === MANY);
    });
  },
);
