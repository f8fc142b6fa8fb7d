import { once } from 'node:events';
import { existsSync, linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
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

test('at the end a socket that no process serves is removed, and no other file', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [served, stale, file] = ['served', 'stale', 'file'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  const server = createServer();
  await once(server.listen(served), 'listening');
  // The server removes only its own name.
  linkSync(served, stale);
  await once(server.close(), 'close');
  writeFileSync(file, 'not a socket');
  const { sockets } = held();
  for (const [fd, socketPath] of [stale, file].entries())
    sockets.add(first, {
      asked: { path: socketPath },
      bound: { path: socketPath },
      handle: { fd, close() {} },
    });
  await sockets.removePaths();
  expect([existsSync(stale), existsSync(file)]).toEqual([false, true]);
});
