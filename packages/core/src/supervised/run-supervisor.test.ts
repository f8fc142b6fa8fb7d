import { expect, test } from 'vitest';
import { Debug } from '../debug.js';
import type { RawHandle } from '../node-private/handle.js';
import type { OnRead } from '../node-private/ipc.js';
import type { World } from '../world.js';
import { RUN_PROTOCOL } from './messages.js';
import { RunSupervisor } from './run-supervisor.js';

/** A worker with what it sends; `receive` lets a message of its supervisor arrive. */
function workerOf(inspector?: string) {
  const sent: unknown[] = [];
  let onRead: OnRead = () => {};
  const end = {
    send: (message: unknown) => sent.push(message),
    read(fn: OnRead) {
      onRead = fn;
      return () => {};
    },
  };
  const start = { protocol: RUN_PROTOCOL, pid: 1, index: 0, generation: 0, sockets: [] };
  const world = {
    env: {},
    globals: { [Symbol.for('endless.supervision')]: { text: JSON.stringify(start) } },
    debug: new Debug(Object.assign(() => {}, { enabled: false })),
    // As if this process had no free descriptor.
    ipc: { opened: () => end, reopened: () => undefined },
    rss: () => 1,
    loopTime: () => ({ idle: 1, active: 3 }),
    inspector: () => inspector,
  } as unknown as World;
  const worker = RunSupervisor.find(world, 'test') as RunSupervisor;
  const receive = (message: object, handle?: RawHandle) =>
    onRead(
      Buffer.from(`${JSON.stringify(handle ? { cmd: 'NODE_HANDLE', msg: message } : message)}\n`),
      handle,
    );
  return { worker, sent, receive };
}

test.each([
  ['is lost on its way', undefined],
  ['cannot be opened', {} as RawHandle],
])('a successor is killed if the line to it %s', async (_reason, handle) => {
  const { worker, sent, receive } = workerOf();
  const spawned = worker.spawn('{}', {});
  receive({ type: 'spawned', id: 1, pid: 77 }, handle);
  await expect(spawned).rejects.toMatchObject({ code: 'ERR_ENDLESS_SPAWN_FAILED' });
  expect(sent).toContainEqual({ type: 'kill', pid: 77, signal: 'SIGKILL' });
});

test('a search ends with the number of other workers', async () => {
  const { worker, sent, receive } = workerOf();
  const searched = worker.sockets.search();
  expect(sent.at(-1)).toEqual({ type: 'search', id: 1 });
  receive({ type: 'searched', id: 1, others: 2 });
  expect(await searched).toBe(2);
});

test('a worker that has nothing to copy replies at once', () => {
  const { sent, receive } = workerOf();
  receive({ type: 'copy', id: 4 });
  expect(sent.at(-1)).toEqual({ type: 'copied', id: 4 });
});

test('the supervisor learns whether and where the inspector of a worker is open', () => {
  const url = 'ws://127.0.0.1:9229/id';
  for (const inspector of [undefined, url]) {
    const { sent, receive } = workerOf(inspector);
    receive({ type: 'ping' });
    expect(sent).toEqual([
      { type: 'hello', protocol: RUN_PROTOCOL, version: 'test', ...(inspector && { inspector }) },
      { type: 'pong', rss: 1, inspected: inspector !== undefined },
    ]);
  }
});

test('the supervisor gets what a worker holds, once it asks for it', () => {
  const { worker, sent, receive } = workerOf();
  worker.counts = () => ({ connections: 4, upgraded: 1, requests: 2 });
  receive({ type: 'count' });
  expect(sent.at(-1)).toEqual({ type: 'counts', connections: 4, upgraded: 1, requests: 2, loop: 0.75 });
});
