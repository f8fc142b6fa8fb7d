import type { Server } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { Overtaken } from './overtaken.js';

const EADDRINUSE = -98;

/** A server that is bound, what its own `listen` returns each time, and whether the socket of another worker comes. */
async function rescued({
  returns,
  comes,
  meanwhile = {},
}: {
  returns: number[];
  comes: boolean;
  /** What the program makes of the server during the search. */
  meanwhile?: object;
}) {
  const seen: string[] = [];
  let keeps = 0;
  const world = {
    random: () => 0,
    turn: (fn: () => void) => void setImmediate(fn),
    // Timers of a second and more do not fire.
    after: (ms: number, fn: () => void) => ms < 1_000 && setImmediate(fn),
    stayAlive() {
      keeps += 1;
      return () => {
        keeps -= 1;
      };
    },
  } as unknown as World;
  const other = { listen: (backlog: number) => seen.push(`listens on the other with ${backlog}`) && 0 };
  const overtaken: Overtaken = new Overtaken(world, {
    async search() {
      seen.push(overtaken.has(server) ? 'search' : 'search too late');
      Object.assign(server, meanwhile);
      return 1;
    },
    take: () => (comes ? (other as unknown as RawHandle) : undefined),
    opened: () => seen.push('opened'),
  });
  const server = {
    listening: true,
    _handle: { close: () => seen.push('closes its own') },
  } as unknown as Server;
  await overtaken.rescue(server, {
    ...{ asked: { port: 80 }, backlog: 7 },
    listen: () => returns.shift() ?? EADDRINUSE,
    fail: () => seen.push('fails'),
  });
  await turn();
  expect([overtaken.has(server), keeps]).toEqual([false, 0]);
  return seen;
}

test('a server that is overtaken gets the socket of the other worker, with its own backlog', async () => {
  expect(await rescued({ returns: [], comes: true })).toEqual([
    'search',
    'closes its own',
    'listens on the other with 7',
    'opened',
  ]);
});

test('a server listens on its own once the other worker has closed the address', async () => {
  expect(await rescued({ returns: [EADDRINUSE, 0], comes: false })).toEqual(['search', 'search', 'opened']);
});

test('a server fails if no worker has the address and it cannot listen either', async () => {
  expect(await rescued({ returns: [], comes: false })).toEqual(['search', 'search', 'search', 'fails']);
});

test.each([
  ['the program closes', { listening: false }],
  ['listens on another handle, or has one that accepts no more', { _handle: {} }],
])('a server that %s meanwhile neither takes a socket nor fails', async (_what, meanwhile) => {
  expect(await rescued({ returns: [], comes: true, meanwhile })).toEqual(['search']);
});
