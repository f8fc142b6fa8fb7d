import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { TrackedServer } from '../connections/tracked-server.js';
import type { MovingConnection } from '../handoff/protocol.js';
import type { RawHandle } from '../node-private/handle.js';
import { realWorld } from '../real-world.js';
import { type Destination, Mover } from './mover.js';
import { SlowStart } from './slow-start.js';

/** A move of one busy connection, which waits for its turn: the time of the slow start stands still. */
async function waiting() {
  const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tracked = new TrackedServer(server, undefined, 511, () => {});
  const world = { ...realWorld, now: () => 1_000 };
  const slowStart = new SlowStart(world, [tracked], 2_000);
  const listeners = server.listenerCount('connection');
  const accepted = once(server, 'connection');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [socket] = (await accepted) as [Socket];
  /** Sends bytes and resolves with the answer. */
  const ask = async (bytes: string) => {
    client.write(bytes);
    return String((await once(client, 'data'))[0]);
  };
  await ask('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  slowStart.begin([tracked]);
  const sent: MovingConnection[] = [];
  const handles: RawHandle[] = [];
  const destination: Destination = {
    send(message, handle) {
      sent.push(message);
      handles.push(handle);
    },
    paused: false,
    hold: () => {},
    gone: new Promise(() => {}),
  };
  const mover = new Mover(
    destination,
    world,
    slowStart,
    () => {},
    () => {},
  );
  mover.move(tracked);
  onTestFinished(() => {
    mover.stop();
    for (const handle of handles) handle.close();
    client.destroy();
    server.close();
  });
  return { server, tracked, listeners, client, socket, ask, mover, sent };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('a connection that waits for its turn moves at once when the mover hurries', async () => {
  const { mover, sent } = await waiting();
  await turn();
  expect(sent).toEqual([]);
  mover.hurry();
  await expect.poll(() => sent).toMatchObject([{ id: 0, used: true }]);
});

test('a connection does not move with half a request head that comes while it waits', async () => {
  const { client, socket, ask, mover, sent } = await waiting();
  const { bytesRead } = socket;
  client.write('GET / HTTP/1.1\r\nHo');
  await expect.poll(() => socket.bytesRead).toBeGreaterThan(bytesRead);
  mover.hurry();
  await turn();
  await turn();
  expect(sent).toEqual([]);
  expect(await ask('st: localhost\r\n\r\n')).toMatch(/hello$/);
  await expect.poll(() => sent).toHaveLength(1);
});

test('a mover that is stopped leaves no listener on requests and connections', async () => {
  const { server, tracked, listeners, socket, ask, mover } = await waiting();
  expect(tracked.onRequest).toBeDefined();
  mover.stop();
  expect(tracked.onRequest).toBeUndefined();
  expect(server.listenerCount('connection')).toBe(listeners);
  expect(await ask('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')).toMatch(/hello$/);
  expect(socket.destroyed).toBe(false);
});
