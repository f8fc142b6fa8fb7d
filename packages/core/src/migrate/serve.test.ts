import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { TrackedServer } from '../connections/tracked-server.js';
import { detachHandle, stopReading } from '../node-private/connection.js';
import { realWorld } from '../real-world.js';
import { isUsed, serveOn } from './serve.js';

test('a connection that has carried a request counts as used after two moves without another one', async () => {
  const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tracked = new TrackedServer(server, undefined, 511, () => {});
  const accepted = once(server, 'connection');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  let [socket] = (await accepted) as [Socket];
  expect(isUsed(socket)).toBe(false);
  client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(client, 'data');
  for (let move = 1; move <= 2; move += 1) {
    await new Promise<void>((resolve) => realWorld.turn(resolve));
    stopReading(socket);
    const wasUsed = isUsed(socket);
    const arrived = once(server, 'connection');
    serveOn(tracked, detachHandle(socket), wasUsed);
    [socket] = (await arrived) as [Socket];
    // In another process the count of bytes begins at 0.
    Object.defineProperty(socket, 'bytesRead', { value: 0 });
    expect(isUsed(socket)).toBe(true);
  }
});
