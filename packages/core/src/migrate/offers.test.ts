import { once } from 'node:events';
import net from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { TrackedServer } from '../connections/tracked-server.js';
import type { ToPredecessor, ToSuccessor } from '../handoff/protocol.js';
import { label } from '../listen/address.js';
import { Log, silent } from '../log.js';
import { detachHandle, stopReading } from '../node-private/connection.js';
import type { RawHandle } from '../node-private/handle.js';
import { realWorld } from '../real-world.js';
import { Arrivals } from './arrivals.js';
import { Offers } from './offers.js';
import { pack, sendPayload } from './payload.js';
import { Protocols } from './protocols.js';

/** A server whose sockets speak a protocol that echoes, and one client of it. */
async function echo() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tracked = new TrackedServer(server, undefined, 511, () => {});
  const protocols = new Protocols(new Log(silent), () => {});
  const sockets = protocols.define('echo', {
    save: () => ({ state: null }),
    restore: (socket) => void socket.on('data', (chunk) => socket.write(chunk)),
  });
  const client = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  const [[socket]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
    [net.Socket],
    unknown,
  ];
  return { tracked, protocols, sockets, socket, client };
}

/** Offers the one socket of a server; returns the id of its offer and all messages that were sent. */
async function offer({ tracked, protocols, sockets, socket }: Awaited<ReturnType<typeof echo>>) {
  sockets.add(socket);
  const said: ToSuccessor[] = [];
  const offers = new Offers({
    destination: {
      send: (message) => void said.push(message),
      understands: () => true,
      paused: false,
      gone: new Promise(() => {}),
    },
    world: realWorld,
    protocols,
    servers: () => [tracked],
    movable: () => true,
    log: new Log(silent),
    onMoved: () => {},
    onBack: () => back.push(offers.busy),
  });
  const back: boolean[] = [];
  onTestFinished(() => offers.stop());
  offers.begin();
  await expect.poll(() => said.map(({ type }) => type)).toContain('offer');
  const { id } = said.find(({ type }) => type === 'offer') as Extract<ToSuccessor, { type: 'offer' }>;
  return { offers, said, id, back };
}

test('a socket that the successor would serve is given to it', async () => {
  const { offers, said, id } = await offer(await echo());
  offers.answered([id], []);
  expect(said).toContainEqual({ type: 'transfer', ids: [id] });
  expect(offers.busy).toBe(false);
});

test('after a rollback it comes back, whatever the successor answers', async () => {
  const one = await echo();
  const { offers, said, id } = await offer(one);
  offers.takeBack();
  expect(offers.busy).toBe(true);
  offers.answered([id], []);
  expect(offers.busy).toBe(false);
  expect(said.map(({ type }) => type)).not.toContain('transfer');
  one.client.write('still here');
  expect(String((await once(one.client, 'data'))[0])).toBe('still here');
});

test('it also comes back from one that does not answer', async () => {
  const one = await echo();
  const { offers, back } = await offer(one);
  offers.takeBack();
  one.client.write('still here');
  expect(String((await once(one.client, 'data'))[0])).toBe('still here');
  expect(back).toEqual([false]);
});

test('sockets that were only offered are released when the old process rolls back, and later offers are refused', async () => {
  const { tracked, protocols, socket, client } = await echo();
  const answers: Extract<ToPredecessor, { type: 'answer' | 'told' }>[] = [];
  const arrivals = new Arrivals({
    world: realWorld,
    protocols,
    servers: () => [tracked],
    answer: (message) => void answers.push(message),
    log: new Log(silent),
    onMoved: () => {},
  });
  stopReading(socket);
  const address = label(tracked.bound as NonNullable<typeof tracked.bound>);
  const hear = (id: number, handle: RawHandle) => {
    sendPayload([[id, pack([null, undefined])]], (payload) => arrivals.hear(payload, undefined));
    arrivals.hear({ type: 'offer', id, protocol: 'echo', address }, handle);
  };
  hear(0, detachHandle(socket));
  arrivals.release();
  // In another process the handle would be a copy; here the client sees that it was closed.
  await once(client, 'close');
  arrivals.hear({ type: 'transfer', ids: [0] }, undefined);
  arrivals.alone();
  expect(protocols.sockets.size).toBe(0);
  const late = await echo();
  stopReading(late.socket);
  hear(1, detachHandle(late.socket));
  await expect
    .poll(() => answers)
    .toEqual([
      { type: 'answer', accepted: [0], refused: [] },
      { type: 'answer', accepted: [], refused: [1] },
    ]);
});
