import { once } from 'node:events';
import { linkSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Worker } from '../workers/worker.js';
import { HeldSockets } from './held-sockets.js';

/** Held sockets, and what has become of each handle and address. */
function held() {
  const closed: number[] = [];
  const told: string[] = [];
  const sockets = new HeldSockets({
    added: ({ handle }) => told.push(`added ${handle.fd}`),
    known: (_worker, { handle }) => told.push(`known ${handle.fd}`),
    dropped: ({ handle }) => told.push(`dropped ${handle.fd}`),
  });
  const bound = (port: number) => ({ address: '::', port });
  const listens = (worker: Worker, port: number, fd: number) =>
    sockets.add(worker, {
      asked: { port },
      bound: bound(port),
      handle: { fd, close: () => closed.push(fd) },
    });
  return { sockets, closed, told, bound, listens, fds: () => sockets.all().map(({ handle }) => handle.fd) };
}

const [first, second] = [{}, {}] as [Worker, Worker];

test('the first copy of an address is kept, and others are closed at once', () => {
  const { listens, closed, told, fds } = held();
  listens(first, 80, 1);
  listens(second, 80, 2);
  listens(first, 443, 3);
  expect([fds(), closed, told]).toEqual([[1, 3], [2], ['added 1', 'known 1', 'added 3']]);
});

test('an address is given up once every worker that served it has closed it or has left', () => {
  const { sockets, listens, bound, closed, told } = held();
  listens(first, 80, 1);
  listens(second, 80, 2);
  sockets.closedBy(first, bound(80));
  expect(closed).toEqual([2]);
  sockets.left(second);
  expect([closed, told.at(-1)]).toEqual([[2, 1], 'dropped 1']);
});

test('after a stop nothing is held', () => {
  const { sockets, listens, closed, fds } = held();
  listens(first, 80, 1);
  sockets.close();
  listens(first, 81, 2);
  expect([fds(), closed]).toEqual([[], [1, 2]]);
});

test('a socket of systemd is held until the end, whether a worker serves it or not', () => {
  const { sockets, listens, bound, closed, told, fds } = held();
  sockets.activate([
    { asked: { port: 80 }, bound: bound(80), handle: { fd: 1, close: () => closed.push(1) } },
  ]);
  listens(first, 80, 2);
  sockets.closedBy(first, bound(80));
  sockets.left(first);
  expect([fds(), closed, told]).toEqual([[1], [2], ['known 1']]);
  sockets.close();
  expect(closed).toEqual([2, 1]);
});

test('a successor inherits what its predecessor does not serve', () => {
  const { sockets, listens } = held();
  listens(first, 80, 1);
  listens(second, 443, 2);
  expect(sockets.notServedBy(first).map(({ handle }) => handle.fd)).toEqual([2]);
});

/** A folder, and how to leave a socket in it that no process serves. */
function folderOfSockets() {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const at = (name: string) => path.join(folder, name);
  const leave = async (name: string) => {
    const server = createServer();
    await once(server.listen(at('served')), 'listening');
    // The server removes only its own name.
    linkSync(at('served'), at(name));
    await once(server.close(), 'close');
    return at(name);
  };
  return { at, leave, names: () => readdirSync(folder).sort() };
}

const unix = (socketPath: string) => ({
  asked: { path: socketPath },
  bound: { path: socketPath },
  handle: { fd: 1, close() {} },
});

test('at the end each socket that no process serves is removed, and no other file', async () => {
  const { at, leave, names } = folderOfSockets();
  const stale = [await leave('a'), await leave('b'), await leave('c')];
  writeFileSync(at('file'), 'not a socket');
  const served = createServer().listen(at('served'));
  onTestFinished(() => void served.close());
  await once(served, 'listening');
  const { sockets } = held();
  for (const each of [...stale, at('file'), at('served')]) sockets.add(first, unix(each));
  await sockets.removePaths();
  expect(names()).toEqual(['file', 'served']);
});

test('a path that was removed once is no concern at the end: another program may use it', async () => {
  const { leave, names } = folderOfSockets();
  const { sockets } = held();
  const stale = unix(await leave('a'));
  sockets.add(first, stale);
  sockets.closedBy(first, stale.bound);
  await vi.waitFor(() => expect(names()).toEqual([]));
  await setImmediate();
  await leave('a');
  await sockets.removePaths();
  expect(names()).toEqual(['a']);
});
