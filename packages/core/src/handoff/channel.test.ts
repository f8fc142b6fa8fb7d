import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { detachHandle } from '../node-private/connection.js';
import type { RawPipe } from '../node-private/handle.js';
import { readChannel } from '../node-private/ipc.js';
import { realWorld } from '../real-world.js';
import { Channel } from './channel.js';
import type { ToPredecessor } from './protocol.js';
import { isToPredecessor } from './shapes.js';

const folder = mkdtempSync(path.join(tmpdir(), 'endless-channel-'));
const server = net.createServer({ pauseOnConnect: true });

beforeAll(async () => {
  await once(server.listen(path.join(folder, 'line')), 'listening');
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

/** Both ends of a connection, of which one is a channel that records the messages that it receives. */
async function line() {
  const peer = net.connect(path.join(folder, 'line'));
  const [accepted] = (await once(server, 'connection')) as [net.Socket];
  const pipe = detachHandle(accepted) as RawPipe;
  const heard: ToPredecessor[] = [];
  const channel = new Channel(
    realWorld,
    'the peer',
    { pipe, send() {}, read: (onRead, onEnd) => readChannel(pipe, onRead, onEnd) },
    isToPredecessor,
    (word) => heard.push(word),
  );
  channel.hold(true);
  return { peer, channel, heard };
}

const word: fc.Arbitrary<ToPredecessor> = fc.oneof(
  fc.record({ type: fc.constant('stderr' as const), text: fc.string({ unit: 'binary' }) }),
  fc.record({ type: fc.constant('ready' as const), dropped: fc.array(fc.string()) }),
  fc.record({ type: fc.constant('stop' as const), deadline: fc.integer(), idleGrace: fc.nat() }),
);

/** A line that is not a message: any bytes, any JSON, or Node's wrapping around something else. */
const rubbish: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array().map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10))),
  fc.json().map((text) => Buffer.from(text.replaceAll('\n', ' '))),
  fc
    .constantFrom(
      '{"type":',
      '{"type":"ready","dropped":"all"}',
      '{"type":"__proto__"}',
      '{"cmd":"NODE_HANDLE","msg":null}',
      '{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"type":"no such word"}}',
      '{"cmd":"NODE_HANDLE_ACK"}',
      '{"cmd":"NODE_DISCONNECT"}',
    )
    .map((text) => Buffer.from(text)),
);

test('every message is received once, in order, whatever stands between and wherever the bytes are cut', async () => {
  const piece = fc.oneof(word, rubbish);
  await fc.assert(
    fc.asyncProperty(
      fc.array(piece, { maxLength: 12 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      async (pieces, cuts) => {
        const { peer, channel, heard } = await line();
        const lines = pieces.map((each) =>
          each instanceof Buffer ? each : Buffer.from(JSON.stringify(each)),
        );
        const bytes = Buffer.concat(lines.flatMap((each) => [each, Buffer.from('\n')]));
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        for (const [index, end] of at.slice(1).entries()) {
          peer.write(bytes.subarray(at[index], end));
          // Each piece often arrives as a read of its own.
          await new Promise((resolve) => setImmediate(resolve));
        }
        peer.end();
        await channel.closed;
        expect(heard).toEqual(pieces.filter((each) => !(each instanceof Buffer)));
      },
    ),
    { numRuns: 300 },
  );
});

test('a line that has no end is dropped, and the message after it is received', async () => {
  const { peer, channel, heard } = await line();
  const part = Buffer.alloc(1024 * 1024, 'x');
  for (let written = 0; written < 40; written += 1) if (!peer.write(part)) await once(peer, 'drain');
  peer.end('\n{"type":"accepting"}\n');
  await channel.closed;
  expect(heard).toEqual([{ type: 'accepting' }]);
});

test('each message that was sent with a handle is known as such, also if the handle is lost', async () => {
  const { peer, channel, heard } = await line();
  let sent = 0;
  channel.onHandle = () => {
    sent += 1;
  };
  const stop = { type: 'stop', deadline: 1, idleGrace: 2 };
  for (const text of [stop, { cmd: 'NODE_HANDLE', msg: stop }, { cmd: 'NODE_HANDLE', msg: {} }])
    peer.write(`${JSON.stringify(text)}\n`);
  peer.end();
  await channel.closed;
  expect([heard.length, sent]).toEqual([2, 2]);
});
