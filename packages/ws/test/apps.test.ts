import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { expect, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { getJson, hup, serve, until } from './program.js';

/** A client, with all that it has received. */
async function open(port: number, path = '/ws', options: object = {}, protocols: string[] = []) {
  const { tls, ...rest } = options as { tls?: boolean };
  const ws = new WebSocket(`${tls ? 'wss' : 'ws'}://127.0.0.1:${port}${path}`, protocols, {
    headers: { 'User-Agent': 'tester' },
    rejectUnauthorized: false,
    perMessageDeflate: false,
    ...rest,
  });
  onTestFinished(() => ws.terminate());
  const heard: string[] = [];
  const codes: number[] = [];
  ws.on('message', (data) => void heard.push(String(data)));
  ws.on('close', (code) => void codes.push(code));
  ws.on('error', () => {});
  await once(ws, 'open');
  const ask = async (text: string) => {
    const [answer] = await Promise.all([once(ws, 'message'), ws.send(text)]);
    return String(answer[0]);
  };
  return { ws, heard, codes, ask };
}

const who = async (client: { ask(text: string): Promise<string> }) => JSON.parse(await client.ask('who'));

describe.each(
  rowsOf(
    [
      ['server', '8.x'],
      ['server', 'ws-oldest'],
      ['own port', '8.x'],
      ['express', '8.x'],
      ['koa', '8.x'],
      ['fastify', '8.x'],
    ],
    (_row, at) => at === 0,
  ),
)('%s, ws %s', (app, ws) => {
  rowTest(
    "a connection moves twice with its request and its state, and only 'moved' is emitted in the old process",
    async () => {
      const env = ws === 'ws-oldest' ? { WS: ws } : {};
      const { program, port } = await serve('apps.mjs', { app }, { env });
      const client = await open(port, '/ws?room=1', {}, ['chat', 'other']);
      await client.ws.send('name Ada');
      const before = await who(client);
      expect(before).toMatchObject({
        url: '/ws?room=1',
        agent: 'tester',
        method: 'GET',
        httpVersion: '1.1',
        name: 'Ada',
        protocol: 'chat',
        generation: 0,
        state: null,
      });
      for (const generation of [1, 2]) {
        await hup(program);
        await program.waitForPids(1);
        const state = app === 'fastify' ? null : { name: 'Ada', at: new Date(0).toJSON() };
        expect(await who(client)).toEqual({ ...before, generation, state });
      }
      expect(client.codes).toEqual([]);
      for (const generation of [0, 1]) await program.waitFor(`moved ${generation}`);
      expect(program.stdout).not.toContain('close');
    },
  );
});

longTest('each connection of several servers by path moves to its own server', async () => {
  const { program, port } = await serve('apps.mjs', { app: 'paths' });
  const clients = await Promise.all(['/a', '/b', '/a', '/b'].map((path) => open(port, path)));
  await hup(program);
  await program.waitForPids(1);
  await until(() => clients.every(({ heard }) => heard.length === 2));
  expect(clients.map(({ heard }) => heard)).toEqual([
    ['on /a', 'on /a'],
    ['on /b', 'on /b'],
    ['on /a', 'on /a'],
    ['on /b', 'on /b'],
  ]);
});

test('messages sent on an object whose connection has moved arrive, in order, over two restarts', async () => {
  const { program, port } = await serve('apps.mjs');
  const client = await open(port);
  client.ws.send('later 60');
  await until(() => client.heard.length > 0);
  const pid = await hup(program);
  await program.waitFor('moved 0');
  await hup(program, pid);
  await until(() => client.heard.length === 20);
  expect(client.heard).toEqual(Array.from({ length: 20 }, (_, part) => `part ${part} 1`));
  // The last part may be here before the connection has left the process in the middle.
  await until(async () => (await who(client)).generation === 2);
  await program.waitForPids(1);
});

test('a close on such an object closes the connection', async () => {
  const { program, port } = await serve('apps.mjs');
  const client = await open(port);
  client.ws.send('leave 300');
  await sleep(50);
  await hup(program);
  await until(() => client.codes.length === 1);
  expect(client.codes).toEqual([4000]);
  await program.waitFor('close 4000 1');
  await program.waitForPids(1);
});

longTest('bytes that a paused connection has not read yet move with it', async () => {
  const { program, port } = await serve('apps.mjs');
  const client = await open(port);
  client.ws.send('pause');
  await sleep(50);
  for (let number = 0; number < 50; number += 1) client.ws.send(`${number} ${'x'.repeat(2_000)}`);
  await sleep(50);
  await hup(program);
  await until(() => client.heard.length === 50);
  expect(client.heard.map((text) => Number(text.split(' ')[0]))).toEqual(
    Array.from({ length: 50 }, (_, n) => n),
  );
});

describe('a connection that cannot move is closed with 1012, and the process exits', () => {
  const deflate = { perMessageDeflate: true };
  rowTest.each(
    rowsOf(
      [
        ['over TLS', { app: 'tls' }, { tls: true }],
        ['that carries compression from message to message', { wsOptions: deflate }, deflate],
        ['that the application keeps', { fails: 'stay' }, {}],
        ['whose `save` throws', { fails: 'throw' }, {}],
        ['whose state cannot be cloned', { fails: 'uncloneable' }, {}],
        ['with `migrate: false`', { settings: { migrate: false } }, {}],
      ],
      (_row, at) => at === 0 || at === 3,
    ),
  )('a connection %s', async (_name, settings, how) => {
    const { program, port } = await serve('apps.mjs', { options: { closeWithin: 500 }, ...settings });
    const client = await open(port, '/', how);
    expect(await client.ask('hello')).toBe('hello');
    await hup(program);
    await until(() => client.codes.length === 1);
    expect(client.codes).toEqual([1012]);
    await program.waitFor('close 1012 0');
    await program.waitForPids(1);
  });

  longTest('a connection that compresses each message on its own moves', async () => {
    const perMessageDeflate = { serverNoContextTakeover: true, clientNoContextTakeover: true, threshold: 0 };
    const { program, port } = await serve('apps.mjs', { wsOptions: { perMessageDeflate } });
    const client = await open(port, '/', { perMessageDeflate });
    expect(client.ws.extensions).toBe('permessage-deflate');
    expect(await client.ask('x'.repeat(5_000))).toBe('x'.repeat(5_000));
    await hup(program);
    await program.waitForPids(1);
    expect(await client.ask('x'.repeat(5_000))).toBe('x'.repeat(5_000));
    expect((await who(client)).generation).toBe(1);
    expect(client.codes).toEqual([]);
  });
});

test('on a shutdown each is closed with 1001, spread over the window', async () => {
  const { program, port } = await serve('apps.mjs', { options: { closeWithin: 1_000 } });
  const began: number[] = [];
  const clients = await Promise.all(Array.from({ length: 100 }, () => open(port)));
  for (const { ws } of clients) ws.on('close', () => began.push(performance.now()));
  const start = performance.now();
  program.signal('SIGTERM');
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(new Set(clients.flatMap(({ codes }) => codes))).toEqual(new Set([1001]));
  const tenths = new Set(began.map((moment) => Math.floor((moment - start) / 100)));
  expect(tenths.size).toBeGreaterThanOrEqual(8);
});

longTest('when the newest process stops, the connections of an older one are closed with 1001', async () => {
  const { program, port } = await serve('apps.mjs', { settings: { migrate: false, hammerTime: 6_000 } });
  const clients = await Promise.all(Array.from({ length: 20 }, () => open(port)));
  const successor = await hup(program);
  await program.waitFor('Listener closed.');
  program.signal('SIGTERM', successor);
  await program.waitFor('Received SIGTERM.');
  // The word may take a moment to the older process.
  await sleep(100);
  const before = clients.filter(({ codes }) => codes.length > 0).length;
  await program.waitForPids(0);
  await until(() => clients.every(({ codes }) => codes.length === 1));
  const codes = clients.flatMap((client) => client.codes);
  expect(before).toBeLessThan(20);
  expect(codes.filter((code) => code === 1001).length).toBeGreaterThanOrEqual(20 - before);
});

longTest('a client that reads nothing gets a close, and is force-closed at the deadline', async () => {
  const { program, port } = await serve('apps.mjs', {
    settings: { hammerTime: 2_000 },
    options: { closeWithin: 200 },
  });
  const client = await open(port);
  client.ws.pause();
  client.ws.send('flood');
  await sleep(200);
  await hup(program);
  await program.waitForPids(1);
  expect(program.stderr).toMatch(/Force-closed: 0 requests; connections: 1 upgraded/);
});

test('control: without the call connections stay in the old process, which force-closes them at the deadline', async () => {
  const { program, port } = await serve('apps.mjs', { app: 'plain', settings: { hammerTime: 500 } });
  const client = await open(port);
  await hup(program);
  await until(() => client.codes.length === 1);
  expect(client.codes).toEqual([1006]);
  expect((await getJson<{ migrated: number }>(port, '/')).migrated).toBe(0);
});
