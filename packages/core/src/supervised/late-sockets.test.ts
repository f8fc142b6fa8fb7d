import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { watchListening } from '../listen/watch.js';
import { onBind } from '../node-private/listening.js';
import type { World } from '../world.js';
import { LateSockets } from './late-sockets.js';

/** Late sockets in a world whose timers the test fires, and an address that is in use. */
async function late() {
  let keeps = 0;
  const timers = new Map<() => void, number>();
  const world = {
    random: () => 0,
    turn: (fn: () => void) => void setImmediate(fn),
    after(ms: number, fn: () => void) {
      timers.set(fn, ms);
      return () => timers.delete(fn);
    },
    stayAlive() {
      keeps += 1;
      return () => {
        keeps -= 1;
      };
    },
  } as unknown as World;
  const other = createServer();
  await once(other.listen(0, '127.0.0.1'), 'listening');
  const { port } = other.address() as AddressInfo;
  const asked = { port, host: '127.0.0.1' };
  const servers = new Set<Server>();
  const unwatch = watchListening({
    beforeListen(server, options) {
      if (!servers.has(server)) return;
      sockets.asks(server, options);
      sockets.binds(server, asked);
    },
    listening() {},
    failed: (server, error) => servers.has(server) && sockets.wait(server, error),
  });
  /** The replies of the supervisor: how many other workers there are. */
  let reply: (others: number | Error) => void = () => {};
  let searches = 0;
  const search = () =>
    new Promise<number>((resolve, reject) => {
      searches += 1;
      reply = (others) => (typeof others === 'number' ? resolve(others) : reject(others));
    });
  const sockets = new LateSockets(world, search);
  /** A server, and what has happened to it. */
  const serverOf = () => {
    const seen: string[] = [];
    const server = createServer()
      .on('listening', () => seen.push('listening'))
      .on('error', ({ code }: NodeJS.ErrnoException) => seen.push(code as string));
    servers.add(server);
    return { server, seen };
  };
  /** Fires the timers of at most so many milliseconds. */
  const fire = (longest = 1_000) => {
    for (const [timer, ms] of [...timers]) if (ms <= longest && timers.delete(timer)) timer();
  };
  const isFree = () => once(other.close(), 'close');
  onTestFinished(() => {
    unwatch();
    other.close();
    for (const server of servers) server.close();
  });
  return {
    ...{ sockets, asked, port, serverOf, fire, isFree },
    reply: async (others: number | Error) => {
      reply(others);
      await turn();
      await turn();
    },
    keeps: () => keeps,
    searches: () => searches,
  };
}

test('a server whose address is free again listens, with the callback and the backlog of its first call', async () => {
  const { port, serverOf, isFree, reply, fire, keeps } = await late();
  const { server, seen } = serverOf();
  const backlogs: unknown[] = [];
  server.listen(port, '127.0.0.1', 7, () => seen.push('callback'));
  onBind(server, (backlog) => backlogs.push(backlog));
  await turn();
  expect([seen, server.listening, keeps()]).toEqual([[], false, 1]);
  await isFree();
  await reply(1);
  fire();
  await once(server, 'listening');
  expect([seen, backlogs, keeps()]).toEqual([['listening', 'callback'], [7, 7], 0]);
});

test('a server listens as soon as a socket of its address has come', async () => {
  const { port, serverOf, isFree, sockets, searches } = await late();
  const { server, seen } = serverOf();
  server.listen(port, '127.0.0.1');
  await turn();
  await isFree();
  const bound = { address: '127.0.0.1', port };
  sockets.arrived({ asked: { port: port + 1, host: '127.0.0.1' }, bound: { ...bound, port: port + 1 } });
  await turn();
  expect(seen).toEqual([]);
  sockets.arrived({ asked: { port, host: '127.0.0.1' }, bound });
  await once(server, 'listening');
  expect([seen, searches()]).toEqual([['listening'], 1]);
});

test('the program gets no error once the supervisor is gone: the process stops', async () => {
  const { port, serverOf, reply, fire, keeps, sockets } = await late();
  const { server, seen } = serverOf();
  server.listen(port, '127.0.0.1');
  await turn();
  expect(sockets.waiting).toBe(true);
  await reply(new Error('gone'));
  fire(5_000);
  expect([seen, keeps(), sockets.waiting]).toEqual([[], 0, false]);
});

test('the program gets the error of Node.js at once if there is no other worker', async () => {
  const { port, serverOf, reply, keeps, searches } = await late();
  const { server, seen } = serverOf();
  server.listen(port, '127.0.0.1');
  await turn();
  await reply(0);
  expect([seen, keeps(), searches()]).toEqual([['EADDRINUSE'], 0, 1]);
  // The next call asks again.
  server.listen(port, '127.0.0.1');
  await turn();
  expect([seen, searches()]).toEqual([['EADDRINUSE'], 2]);
});

test('the program gets the error once if no worker has the address in three searches', async () => {
  const { port, serverOf, reply, fire, keeps, searches } = await late();
  const { server, seen } = serverOf();
  server.listen(port, '127.0.0.1');
  for (let search = 0; search < 3; search += 1) {
    expect(seen).toEqual([]);
    await turn();
    await reply(1);
    fire();
  }
  await once(server, 'error');
  expect([seen, keeps(), searches()]).toEqual([['EADDRINUSE'], 0, 3]);
});

test('the program gets the error although a blocked worker sends no reply', async () => {
  const { port, serverOf, fire, keeps } = await late();
  const { server, seen } = serverOf();
  server.listen(port, '127.0.0.1');
  await turn();
  fire();
  expect([seen, keeps()]).toEqual([[], 1]);
  fire(5_000);
  expect([seen, keeps()]).toEqual([['EADDRINUSE'], 0]);
});

test.each(['closes', 'listens elsewhere', 'is in a process that drains'])(
  'a waiting server that %s no longer waits',
  async (what) => {
    const { port, serverOf, reply, fire, isFree, keeps, sockets } = await late();
    const { server, seen } = serverOf();
    server.listen(port, '127.0.0.1');
    await turn();
    if (what === 'closes') await once(server.close(), 'close');
    else if (what === 'listens elsewhere') await once(server.listen(0, '127.0.0.1'), 'listening');
    else sockets.close();
    expect(keeps()).toBe(0);
    const before = server.address();
    await isFree();
    await reply(1);
    fire();
    await turn();
    expect([seen, server.address()]).toEqual([what === 'listens elsewhere' ? ['listening'] : [], before]);
  },
);
