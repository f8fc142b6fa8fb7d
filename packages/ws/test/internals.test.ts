import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { WebSocket } from 'ws';
import * as newest from 'ws';
// @ts-expect-error It has the types of `ws`.
import * as oldest from 'ws-oldest';
import { isKnown, nothingToSend, undelivered } from '../dist/internals.js';
import { until } from './program.js';
import { frame, StrictClient } from './strict-client.js';

const versionOf = (name: string): string =>
  JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
const VERSIONS: [string, typeof newest][] = [
  [versionOf('ws-oldest'), oldest],
  [versionOf('ws'), newest],
];

test('these are the oldest ws 8 and a newer one', () => {
  expect(VERSIONS[0]?.[0]).toBe('8.0.0');
  expect(VERSIONS[1]?.[0]).toMatch(/^8\.\d\d/);
});

describe.each(VERSIONS)('ws %s', (_version, { WebSocketServer }) => {
  /** Opens a connection, and shows both ends of it. */
  async function pair(options: object = {}, headers: Record<string, string> = {}) {
    const server = createServer();
    const wss = new WebSocketServer({ server, ...options });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return async () => {
      const connected = once(wss, 'connection');
      const client = await StrictClient.open((server.address() as AddressInfo).port, { headers });
      const [ws, request] = (await connected) as [WebSocket, { socket: { bytesRead: number } }];
      ws.on('error', () => {});
      const heard: string[] = [];
      ws.on('message', (data: Buffer | string, isBinary: boolean) =>
        heard.push(`${isBinary} ${String(data)}`),
      );
      ws.on('ping', (data: Buffer) => heard.push(`ping ${data}`));
      const before = request.socket.bytesRead;
      const write = async (bytes: Buffer, total: number) => {
        client.raw(bytes);
        while (request.socket.bytesRead - before !== total)
          await new Promise((resolve) => setTimeout(resolve, 1));
        await new Promise((resolve) => setImmediate(resolve));
      };
      onTestFinished(() => client.abandon());
      return { ws, client, heard, write };
    };
  }

  const TEXT = 1;
  const BINARY = 2;
  const PING = 9;
  // Short and long lengths, fragments with a ping between, empty fragments first and last, masks.
  const stream = Buffer.concat([
    frame(TEXT, Buffer.from('one'), true),
    frame(TEXT, Buffer.from('fra'), false),
    frame(PING, Buffer.from('?'), true),
    frame(0, Buffer.from('gmen'), false),
    frame(0, Buffer.from('ted'), true),
    frame(BINARY, Buffer.alloc(0), false),
    frame(PING, Buffer.from('!'), true),
    frame(0, Buffer.from('late'), false),
    frame(0, Buffer.alloc(0), true),
    frame(BINARY, Buffer.alloc(130, 'x'), true),
    frame(TEXT, Buffer.from('end'), true),
  ]);
  const all = [
    'false one',
    'ping ?',
    'false fragmented',
    'ping !',
    'true late',
    `true ${'x'.repeat(130)}`,
    'false end',
  ];

  test('`undelivered` returns the bytes of half a message, wherever it is cut', async () => {
    const open = await pair();
    for (let cut = 0; cut <= stream.length; cut += cut < 100 ? 1 : 7) {
      const first = await open();
      expect(isKnown(first.ws)).toBe(true);
      await first.write(stream.subarray(0, cut), cut);
      const unread = undelivered(first.ws) as Buffer;
      const rest = Buffer.concat([unread, stream.subarray(cut)]);
      const second = await open();
      await second.write(rest, rest.length);
      expect([cut, ...first.heard, ...second.heard]).toEqual([cut, ...all]);
      first.client.abandon();
      second.client.abandon();
    }
  });

  test('`undelivered` returns the bytes of half a message with a long length', async () => {
    const open = await pair();
    const long = frame(BINARY, Buffer.alloc(70_000, 'y'), true);
    for (const cut of [1, 2, 5, 9, 10, 12, 14, 15, 60_000, 69_999]) {
      const first = await open();
      await first.write(long.subarray(0, cut), cut);
      const rest = Buffer.concat([undelivered(first.ws) as Buffer, long.subarray(cut)]);
      const second = await open();
      await second.write(rest, rest.length);
      expect(second.heard).toEqual([`true ${'y'.repeat(70_000)}`]);
    }
  });

  test('`undelivered` is known only between two messages where they may be compressed', async () => {
    const open = await pair(
      { perMessageDeflate: { serverNoContextTakeover: true, clientNoContextTakeover: true } },
      { 'Sec-WebSocket-Extensions': 'permessage-deflate; client_no_context_takeover' },
    );
    const { ws, client, write } = await open();
    expect(client.head).toContain('permessage-deflate');
    const message = frame(TEXT, Buffer.from('plain'), true);
    await write(message.subarray(0, 4), 4);
    expect(undelivered(ws)).toBeUndefined();
    await write(message.subarray(4), message.length);
    expect(undelivered(ws)).toEqual(Buffer.alloc(0));
  });

  test('`nothingToSend` is false for a message in fragments, in compression, or not read by its client', async () => {
    const open = await pair(
      { perMessageDeflate: { threshold: 0 } },
      { 'Sec-WebSocket-Extensions': 'permessage-deflate' },
    );
    const { ws, client } = await open();
    expect(nothingToSend(ws)).toBe(true);
    ws.send('part', { fin: false, compress: false });
    expect(nothingToSend(ws)).toBe(false);
    ws.send('part', { fin: true, compress: false });
    expect(nothingToSend(ws)).toBe(true);
    ws.send('compressed');
    expect(nothingToSend(ws)).toBe(false);
    await until(() => nothingToSend(ws));
    client.socket.pause();
    ws.send(Buffer.alloc(16 * 1024 * 1024), { compress: false });
    expect(nothingToSend(ws)).toBe(false);
  });
});

test('`isKnown` is false for a WebSocket with other private names', () => {
  const like = { _receiver: { _state: 0 }, _sender: { _queue: [] } };
  expect(isKnown(like as unknown as WebSocket)).toBe(false);
  expect(isKnown({} as unknown as WebSocket)).toBe(false);
});
