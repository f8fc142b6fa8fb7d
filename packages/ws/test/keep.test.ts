import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, rowsOf, rowTest, test } from '@endless/conformance';
import { expect, onTestFinished } from 'vitest';
import { hup, serve, until } from './program.js';
import { frame } from './strict-client.js';

const WHO = 'PROXY TCP4 192.0.2.7 192.0.2.1 1234 80\r\n';

/** A connection as a load balancer makes it; `ask` resolves with the answer, or with 'nothing' without one. */
async function open(port: number) {
  const socket = net.connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => {});
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
  });
  await once(socket, 'connect');
  socket.write(WHO);
  const ask = async () => {
    text = '';
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await until(() => /\r\n\r\n.+/.test(text) || socket.destroyed);
    return text === '' ? 'nothing' : text;
  };
  return { socket, ask, text: () => text };
}

/** One request, a restart while the connection is idle, and one request more. */
async function restarted(settings: object) {
  const { program, port } = await serve('keep.mjs', settings);
  const client = await open(port);
  const before = await client.ask();
  await hup(program);
  await sleep(100);
  const after = await client.ask();
  return { program, port, before, after };
}

describe('what reads the start of a connection', () => {
  rowTest.each(
    rowsOf(
      [
        ['http', 'option'],
        ['http', 'after'],
        ['express', 'after'],
        ['koa', 'after'],
        ['fastify', 'before'],
        ['fastify', 'option'],
      ],
      (_row, at) => at === 0 || at === 2 || at === 4,
    ),
  )('keeps the connections of its server from moving: %s, %s listen', async (app, how) => {
    const { program, port, before, after } = await restarted({ app, how });
    expect(before).toContain('192.0.2.7 0');
    // Answered where it was, and told to come back.
    expect(after).toContain('192.0.2.7 0');
    expect(after).toMatch(/connection: close/i);
    await program.waitForPids(1);
    expect(await (await open(port)).ask()).toContain('192.0.2.7 1');
  });

  test('may come with the new program, which tells the old process which connections to keep', async () => {
    const { before, after } = await restarted({ how: 'after', newOnly: true });
    expect(before).toContain('192.0.2.7 0');
    expect(after).toContain('192.0.2.7 0');
  });

  test('control: a connection that moves reaches it without its start, and is lost', async () => {
    const { before, after } = await restarted({ how: 'not at all' });
    expect(before).toContain('192.0.2.7 0');
    expect(after).toBe('nothing');
  });

  test('keeps WebSockets too: they are closed with 1012', async () => {
    const { program, port } = await serve('keep.mjs', { how: 'before' });
    const { socket } = await open(port);
    socket.write(
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    await once(socket, 'data');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => void chunks.push(chunk));
    await hup(program);
    await until(() => chunks.length > 0);
    expect(Buffer.concat(chunks).readUInt16BE(2)).toBe(1012);
    socket.end(frame(8, Buffer.from([0x03, 0xf4]), true));
    await program.waitForPids(1);
  });
});

test('the connections of one server move although the setting says that none does', async () => {
  const { program, port } = await serve('echo.mjs', { migrate: true, settings: { migrate: false } });
  const socket = net.connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  const answer = async () => {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    return String((await once(socket, 'data'))[0]);
  };
  expect(await answer()).toContain('"generation":0');
  await hup(program);
  await program.waitForPids(1);
  expect(await answer()).toContain('"generation":1');
});
