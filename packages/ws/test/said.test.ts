import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { hup, serve, until } from './program.js';

/** A client that subscribes again whenever it was closed, as those of such protocols do. */
async function subscriber(port: number) {
  const codes: number[] = [];
  const heard: string[] = [];
  const closedAt: number[] = [];
  let over = false;
  let ws = connect();
  function connect() {
    const made = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
    made.on('open', () => made.send('subscribe news'));
    made.on('message', (data) => void heard.push(String(data)));
    made.on('error', () => {});
    made.on('close', (code) => {
      if (over) return;
      codes.push(code);
      closedAt.push(performance.now());
      ws = connect();
    });
    return made;
  }
  onTestFinished(() => {
    over = true;
    ws.terminate();
  });
  await until(() => heard.length > 0);
  return { codes, heard, closedAt };
}

const HOW =
  /Sockets of ws do not move: they are closed with 1012\. To let them move, give `endlessWebSockets` `save` and `restore`, or `stateless: true`/g;

describe('a protocol whose state comes from messages', () => {
  test('without options is closed with 1012, spread, and one log line tells how to let it move', async () => {
    const { program, port } = await serve('said.mjs', { closeWithin: 1_000 });
    const clients = await Promise.all(Array.from({ length: 30 }, () => subscriber(port)));
    await hup(program);
    await program.waitForPids(1);
    await until(() => clients.every(({ heard }) => heard.at(-1) === 'news 1'));
    expect(clients.flatMap(({ codes }) => codes)).toEqual(clients.map(() => 1012));
    const moments = clients.flatMap(({ closedAt }) => closedAt);
    const first = Math.min(...moments);
    expect(new Set(moments.map((at) => Math.floor((at - first) / 100))).size).toBeGreaterThanOrEqual(4);
    expect(program.stderr.match(HOW)).toHaveLength(1);
  });

  test('goes on in the new process with `save` and `restore`', async () => {
    const { program, port } = await serve('said.mjs', { moves: 'save' });
    const clients = await Promise.all(Array.from({ length: 10 }, () => subscriber(port)));
    for (const generation of [1, 2]) {
      await hup(program);
      await program.waitForPids(1);
      await until(() => clients.every(({ heard }) => heard.at(-1) === `news ${generation}`));
    }
    expect(clients.flatMap(({ codes }) => codes)).toEqual([]);
    expect(program.stderr).not.toMatch(HOW);
  });

  test('control: falls silent if the program wrongly declares it stateless', async () => {
    const { program, port } = await serve('said.mjs', { moves: 'stateless' });
    const client = await subscriber(port);
    await hup(program);
    await program.waitForPids(1);
    const before = client.heard.length;
    await sleep(300);
    expect(client.heard.length).toBe(before);
    expect(client.heard.at(-1)).toBe('news 0');
    expect(client.codes).toEqual([]);
    expect(program.stderr).not.toMatch(HOW);
  });

  test('without options is closed with 1001 on a shutdown, without a log line', async () => {
    const { program, port } = await serve('said.mjs');
    const client = await subscriber(port);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(client.codes[0]).toBe(1001);
    expect(program.stderr).not.toMatch(HOW);
  });
});

describe('a request that the application changes', () => {
  test.each([
    ['in its handler', 'after'],
    ['in a handler that was there before', 'before'],
    ['in a handler that it puts in front', 'prepended'],
  ])('%s is the original one in the new process, over two restarts', async (_name, rewrites) => {
    const { program, port } = await serve('said.mjs', { moves: 'stateless', rewrites });
    const ws = new WebSocket(`ws://127.0.0.1:${port}/v1/chat`, {
      headers: { 'User-Agent': 'tester', Cookie: 'a=b' },
    });
    onTestFinished(() => ws.terminate());
    await once(ws, 'open');
    const ask = async () => {
      const [answer] = await Promise.all([once(ws, 'message'), ws.send('request')]);
      const [, generation, json = ''] = /request (\d+) (.*)/.exec(String(answer[0])) ?? [];
      return { generation: Number(generation), seen: JSON.parse(json) };
    };
    const { seen } = await ask();
    if (rewrites === 'after')
      expect(seen).toMatchObject({ url: '/v1/chat', method: 'GET', cookie: 'a=b', agent: 'tester' });
    for (const generation of [1, 2]) {
      await hup(program);
      await program.waitForPids(1);
      expect(await ask()).toEqual({ generation, seen });
    }
  });
});

describe('options that contradict each other or are wrong', () => {
  test.each([
    ['{ stateless: true, save() {} }', '`stateless: true` says that there is nothing to `save` or `restore`'],
    [
      '{ stateless: true, restore() {} }',
      '`stateless: true` says that there is nothing to `save` or `restore`',
    ],
    ["{ stateless: 'yes' }", '`stateless` must be true or false'],
    ['{ save: true }', '`save` must be a function'],
    ['{ restore: {} }', '`restore` must be a function'],
  ])('%s', async (options, message) => {
    const text = `
      import { WebSocketServer } from 'ws';
      import { endlessWebSockets } from '@endless/ws';
      try { endlessWebSockets(new WebSocketServer({ noServer: true }), ${options}); } catch (error) {
        process.stdout.write(error.code + ' ' + error.message);
      }
      process.exit();
    `;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', text], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      timeout: 10_000,
    });
    expect(stdout).toContain(`ERR_ENDLESS_INVALID_OPTION endlessWebSockets: ${message}`);
  });
});
