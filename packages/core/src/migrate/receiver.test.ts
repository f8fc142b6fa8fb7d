import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createNet, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { TrackedServer } from '../connections/tracked-server.js';
import { type Bound, label } from '../listen/address.js';
import { detachHandle, stopReading } from '../node-private/connection.js';
import { realWorld } from '../real-world.js';
import { Receiver } from './receiver.js';

test('a server takes as many connections as `maxConnections` allows, and others go back', async () => {
  const old = createNet().listen(0, '127.0.0.1');
  const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
  await Promise.all([once(old, 'listening'), once(server, 'listening')]);
  server.maxConnections = 1;
  let drops = 0;
  server.on('drop', () => {
    drops += 1;
  });
  const tracked = new TrackedServer(server, undefined, 511, () => {});
  const answers: [taken: number[], lost: number[]][] = [];
  const receiver = new Receiver(
    realWorld,
    () => [tracked],
    (...answer) => answers.push(answer),
  );
  const address = label(tracked.bound as Bound);
  onTestFinished(() => {
    old.close();
    server.close();
  });
  /** A connection of the old process comes, under this id. */
  const comes = async (id: number) => {
    const accepted = once(old, 'connection');
    const client = connect((old.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
    onTestFinished(() => void client.destroy());
    const [socket] = (await accepted) as [Socket];
    stopReading(socket);
    return {
      client,
      taken: receiver.receive({ type: 'connection', id, address, used: true }, detachHandle(socket)),
    };
  };
  const first = await comes(0);
  const second = await comes(1);
  expect([first.taken, second.taken, drops]).toEqual([true, false, 0]);
  await expect.poll(() => answers.flat(2)).toHaveLength(2);
  expect(answers.flatMap(([taken]) => taken)).toEqual([0]);
  expect(answers.flatMap(([, lost]) => lost)).toEqual([1]);
  first.client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  expect(String((await once(first.client, 'data'))[0])).toMatch(/hello$/);
});
