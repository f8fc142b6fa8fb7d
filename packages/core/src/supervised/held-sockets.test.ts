import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import type { RawHandle } from '../node-private/handle.js';
import { listeningHandle } from '../node-private/listening.js';
import type { World } from '../world.js';
import { HeldSockets } from './held-sockets.js';

/** Sockets in a world that counts what keeps its process alive. */
function held() {
  let keeps = 0;
  const turns: (() => void)[] = [];
  const world = {
    now: () => 0,
    after(_ms: number, fn: () => void) {
      turns.push(fn);
      return () => {};
    },
    turn: (fn: () => void) => turns.push(fn),
    stayAlive() {
      keeps += 1;
      return () => {
        keeps -= 1;
      };
    },
  } as unknown as World;
  const sockets = new HeldSockets(world);
  const backlogs: number[] = [];
  /** Adds a socket of this port; returns whether it was closed. */
  const add = (port: number) => {
    let closed = false;
    const close = () => {
      closed = true;
    };
    const handle = {
      close,
      listen: (backlog: number) => backlogs.push(backlog) && 0,
    } as unknown as RawHandle;
    sockets.add({ asked: { port }, bound: { address: '::', port }, handle, activated: true });
    return () => closed;
  };
  /** Lets a turn of the event loop pass, with all its timers. */
  const pass = () => {
    for (const turn of turns.splice(0)) turn();
  };
  return { sockets, add, pass, backlogs, keeps: () => keeps };
}

/** A server whose look-up of its host name may fail. */
function serverOf() {
  return createServer().on('error', () => {});
}

const failure = new Error('getaddrinfo ENOTFOUND');

test('a server whose look-up has failed listens again, and closes: nothing keeps the process alive', () => {
  const { sockets, add, keeps } = held();
  add(80);
  const server = serverOf();
  expect(sockets.claim(server, { port: 80 }, false)).toBe(true);
  server.emit('error', failure);
  expect(sockets.claim(server, { port: 80 }, false)).toBe(true);
  server.emit('listening');
  expect(keeps()).toBe(1);
  server.close();
  expect(keeps()).toBe(0);
  expect([server.listenerCount('listening'), server.listenerCount('error')]).toEqual([0, 1]);
});

test('a server that listens at another address in the end leaves the first one to its new server', () => {
  const { sockets, add } = held();
  for (const port of [80, 81, 80]) add(port);
  const [server, next] = [serverOf(), serverOf()];
  sockets.claim(server, { port: 80 }, false);
  server.emit('error', failure);
  expect(sockets.claim(next, { port: 80 }, false)).toBe(true);
  sockets.claim(server, { port: 81 }, false);
  server.emit('listening');
  // The new server still looks up its host name.
  expect(sockets.claim(serverOf(), { port: 80 }, false)).toBe(false);
});

test.each(['close', 'error'])('a claim that ends with %j gives its socket to the next server', (event) => {
  const { sockets, add } = held();
  const closed = add(80);
  const server = serverOf();
  sockets.claim(server, { port: 80 }, false);
  if (event === 'close') server.close();
  else server.emit('error', failure);
  expect(closed()).toBe(false);
  expect(sockets.claim(serverOf(), { port: 80 }, false)).toBe(true);
});

test.each([
  ['the supervisor has dropped', (sockets: HeldSockets) => sockets.drop({ address: '::', port: 80 })],
  ['this process has drained', (sockets: HeldSockets) => sockets.close()],
])('a claimed socket that %s is closed when the claim ends', (_reason, giveUp) => {
  for (const event of ['close', 'error']) {
    const { sockets, add } = held();
    const closed = add(80);
    const server = serverOf();
    sockets.claim(server, { port: 80 }, false);
    giveUp(sockets);
    // The server may still open it.
    expect(closed()).toBe(false);
    if (event === 'close') server.close();
    else server.emit('error', failure);
    expect(closed()).toBe(true);
    expect(sockets.claim(serverOf(), { port: 80 }, false)).toBe(false);
  }
});

test('a claimed socket stays when the supervisor drops another address', () => {
  const { sockets, add } = held();
  const closed = add(80);
  const server = serverOf();
  sockets.claim(server, { port: 80 }, false);
  sockets.drop({ address: '::', port: 81 });
  server.close();
  expect(closed()).toBe(false);
});

test('a server of a candidate accepts on a held socket from `go` on, and not before', () => {
  const { sockets, add, pass, backlogs } = held();
  let isCandidate = true;
  sockets.mayOpen = () => !isCandidate;
  add(80);
  const server = serverOf().on('connection', () => {});
  expect(sockets.claim(server, { port: 80 }, false)).toBe(true);
  // As `listen` of Node.js does.
  listeningHandle(server)?.listen(7);
  server.emit('listening');
  pass();
  pass();
  expect(backlogs).toEqual([]);
  isCandidate = false;
  pass();
  expect(backlogs).toEqual([7]);
});
