import { type ChildProcess, spawn } from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, rowsOf, rowTest, test } from '@endless/conformance';
import { freePort, get, startLoad } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, hup, serve, temporaryFolder, until } from './program.js';

interface Started {
  child: ChildProcess;
  port: number;
  stderr(): string;
  stdout(): string;
}

/** Starts the app the way a malicious or clumsy parent might: with a handoff of its own making. */
async function startWith(
  handoff: (port: number) => unknown,
  { stdio = [], env = {} }: { stdio?: ('ipc' | 'pipe' | number)[]; env?: Record<string, string> } = {},
): Promise<Started> {
  const port = await freePort();
  const text = handoff(port);
  const child: ChildProcess = spawn(process.execPath, [fixture('app.mjs')], {
    stdio: ['ignore', 'pipe', 'pipe', ...stdio],
    env: {
      ...process.env,
      PORT: String(port),
      SETTINGS: '{"idleGrace":50,"startTimeout":2000}',
      ...(text !== undefined && { ENDLESS_HANDOFF: typeof text === 'string' ? text : JSON.stringify(text) }),
      ...env,
    },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  return { child, port, stdout: () => stdout, stderr: () => stderr };
}

const address = (port: number) => ({ asked: { port }, bound: { address: '::', port } });
const ours = (sockets: unknown, more: object = {}) => ({
  protocol: 2,
  pid: process.pid,
  generation: 1,
  sockets,
  ...more,
});

describe('a process refuses an invalid handoff, logs the reason, and starts as generation 0:', () => {
  const withoutChannel: Record<string, [text: unknown, why: RegExp]> = {
    'no text': ['', /does not name the process that wrote it/],
    rubbish: ['}{ \u0000 rubbish', /does not name the process that wrote it/],
    'a number': ['42', /does not name the process that wrote it/],
    null: ['null', /does not name the process that wrote it/],
    'a deep nest': [`${'['.repeat(5_000)}${']'.repeat(5_000)}`, /does not name the process that wrote it/],
    'the handoff of another process': [
      ours([], { pid: 1 }),
      /written by pid 1, and the parent of this process is/,
    ],
    'one without a channel': [ours([]), /no channel to the process that wrote it/],
  };
  const telling = ['rubbish', 'the handoff of another process', 'sockets that are not a list'];
  for (const [name, [text, why]] of rowsOf(Object.entries(withoutChannel), ([name]) =>
    telling.includes(name),
  ))
    rowTest(name, async () => {
      const safe = typeof text === 'string' ? text.replaceAll('\0', ' ') : text;
      await expectFirst(await startWith(() => safe), why);
    });

  const withChannel: Record<string, [text: unknown, why: RegExp]> = {
    'an invalid generation': [ours([], { generation: 'next' }), /its `generation` is not/],
    'a huge generation': [ours([], { generation: 1e300 }), /its `generation` is not/],
    'sockets that are not a list': [ours({ length: 3 }), /its `sockets` is not/],
    'a socket that is nothing': [ours([null]), /its `sockets` is not/],
    'a socket without an address': [ours([{ asked: { port: 1 } }]), /its `sockets` is not/],
    'an invalid line to the service manager': [ours([], { notify: 'yes' }), /its `notify` is not/],
  };
  for (const [name, [text, why]] of rowsOf(Object.entries(withChannel), ([name]) => telling.includes(name)))
    rowTest(name, async () => {
      await expectFirst(await startWith(() => text, { stdio: ['ipc'] }), why);
    });

  async function expectFirst({ child, port, stderr, stdout }: Started, why: RegExp): Promise<void> {
    await until(() => stdout().includes('listening'));
    expect(stderr()).toMatch(/Refused a handoff: /);
    expect(stderr()).toMatch(why);
    expect((await get({ port })).body).toBe('generation 0');
    child.kill('SIGTERM');
    await until(() => child.exitCode !== null);
    expect(child.exitCode).toBe(0);
  }
});

describe('a successor refuses a handle that is not the inherited socket it is sent for, and names it:', () => {
  const listening = async (where: net.ListenOptions) => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(where, resolve));
    onTestFinished(() => void server.close());
    return server;
  };
  const connection = async (where: net.ListenOptions & net.NetConnectOpts) => {
    const server = await listening(where);
    const there = server.address();
    const socket = net.connect(
      typeof there === 'string'
        ? { path: there }
        : { port: (there as net.AddressInfo).port, host: '127.0.0.1' },
    );
    onTestFinished(() => void socket.destroy());
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    return socket;
  };
  const loopback = { host: '127.0.0.1', port: 0 };
  const unix = () => ({ path: path.join(temporaryFolder(), 'other.sock') });

  type Kind = [send: () => Promise<net.Server | net.Socket | undefined>, why: RegExp, isPath?: boolean];
  const kinds: Record<string, Kind> = {
    nothing: [async () => undefined, /the old process has closed it, or this process has no free descriptor/],
    "another program's listening socket": [() => listening(loopback), /is bound to 127\.0\.0\.1:\d+/],
    'a connection': [() => connection(loopback), /is bound to 127\.0\.0\.1:\d+/],
    'a unix socket for a port': [() => listening(unix()), /is bound to nothing:/],
    'a port for a unix socket': [() => listening(loopback), /is not a unix socket/, true],
    'a unix connection for a unix socket': [() => connection(unix()), /not a listening unix socket/, true],
  };
  const telling = ['nothing', "another program's listening socket", 'a port for a unix socket'];
  for (const [name, [send, why, isPath]] of rowsOf(Object.entries(kinds), ([name]) => telling.includes(name)))
    rowTest(name, async () => {
      const file = path.join(temporaryFolder(), 'app.sock');
      const there = (port: number) =>
        isPath ? { asked: { path: file }, bound: { path: file } } : address(port);
      const { child, port, stderr, stdout } = await startWith((at) => ours([there(at)]), {
        stdio: ['ipc'],
        env: isPath ? { ADDRESS: `unix:${file}` } : {},
      });
      await until(() => stdout().includes('listening'));
      // It waits for the socket, and then for a message of its parent, which claims to be its predecessor.
      expect(stdout()).toMatch(/listening \d+ 1 init/);
      const answer = await get({ ...(isPath ? { path: file } : { port }), timeout: 300 }).then(
        () => 'let in',
        () => 'not let in',
      );
      expect(answer).toBe('not let in');
      child.send({ type: 'socket', index: 0 }, await send(), {}, () => {});
      await until(() => child.exitCode !== null);
      expect(child.exitCode).toBe(1);
      expect(stderr()).toMatch(/Refused an inherited socket: /);
      expect(stderr()).toMatch(why);
      // Not by a refusal alone: the server on that address gets an error.
      expect(stderr()).toMatch(/Error: The inherited socket cannot be used: /);
    });

  test('and what was never spoken of, or comes a second time', async () => {
    const own = await listening({ port: 0 });
    const { port } = own.address() as net.AddressInfo;
    const { child, stderr, stdout } = await startWith(() => ours([address(port)]), {
      stdio: ['ipc'],
      env: { PORT: String(port) },
    });
    await until(() => stdout().includes('listening'));
    for (const index of [1, -1, 0.5, 1e9]) child.send({ type: 'socket', index });
    child.send({ type: 'socket', index: 0 }, own, {}, () => {});
    // Node queues what follows until the handle is acknowledged, which a successor does not do.
    (child as unknown as { _handleQueue: unknown })._handleQueue = null;
    child.send({ type: 'socket', index: 0 }, await listening(loopback), {}, () => {});
    await sleep(200);
    expect(stderr()).not.toMatch(/Refused/);
    expect(child.exitCode).toBe(null);
  });
});

describe('a process checks the sockets of systemd before it uses them:', () => {
  const claims: Record<string, [env: Record<string, string>, why: RegExp]> = {
    'an invalid count': [{ LISTEN_FDS: 'many' }, /LISTEN_FDS is many/],
    'a huge count': [{ LISTEN_FDS: '4000000000' }, /LISTEN_FDS is 4000000000/],
    'a negative count': [{ LISTEN_FDS: '-3' }, /LISTEN_FDS is -3/],
    'descriptors that are closed': [
      { LISTEN_FDS: '1000', LISTEN_FDNAMES: 'a:b' },
      /Refused an inherited socket: descriptor 1000 \(unknown\): EBADF/,
    ],
  };
  for (const [name, [env, why]] of rowsOf(Object.entries(claims), (_row, at) => at % 3 === 0))
    rowTest(name, async () => {
      const port = await freePort();
      // The pid is not known before: a shell becomes the program.
      const child = spawn('/bin/sh', ['-c', `LISTEN_PID=$$ exec ${process.execPath} ${fixture('app.mjs')}`], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...env, PORT: String(port), SETTINGS: '{}' },
      });
      onTestFinished(() => void child.kill('SIGKILL'));
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk) => {
          output += chunk;
        });
      // The two streams come each at its own pace.
      await until(() => output.includes('listening') && why.test(output));
      expect((await get({ port })).body).toBe('generation 0');
    });
});

describe('messages that look like those of endless', () => {
  const WORDS = [
    { type: 'go', again: true, tickets: {}, window: 1 },
    { type: 'ready', dropped: [] },
    { type: 'accepting' },
    { type: 'hello', protocol: 99, version: '9.9.9' },
    { type: 'stop', deadline: 0 },
    { type: 'newest', pid: 1 },
    { type: 'prune', left: 0 },
    { type: 'unready', message: 'it is bad' },
    { type: 'asked' },
    { type: 'ailing', message: 'it is bad' },
    { type: 'well' },
    { type: 'committed' },
    { type: 'retire', deadline: 0 },
    { type: 'connection', id: 1, address: ':1' },
    'shutdown',
    'ready',
    null,
  ];

  test('from the parent of the first process change nothing', async () => {
    const { program, port } = await serve(
      'app.mjs',
      { rollbackWindow: 100, allowOrphaning: true },
      { ipc: true },
    );
    const load = startLoad({ port, connections: 5, mode: 'keep-alive' });
    for (const word of WORDS) program.child.send(word as object);
    await sleep(200);
    for (const word of WORDS) program.child.send(word as object);
    const pid = await hup(program);
    await until(() => load.answers.has('1'));
    const { lost, answers } = await load.stop();
    expect(lost).toEqual([]);
    expect([...answers.keys()].sort()).toEqual(['0', '1']);
    await program.waitForPids(1);
    expect(program.pids()).toEqual([pid]);
  });

  test('from children of the application change nothing, before, during and after a restart', async () => {
    const { program, port } = await serve(
      'talkative.mjs',
      { rollbackWindow: 100 },
      { env: { WORDS: JSON.stringify(WORDS) } },
    );
    const load = startLoad({ port, connections: 5, mode: 'keep-alive' });
    await program.waitFor('child has spoken');
    for (let generation = 1; generation <= 2; generation += 1) {
      await hup(program);
      await until(() => load.answers.has(String(generation)));
      // A child of the old process exits with it.
      await until(() => program.pids().length === 2, 10_000);
    }
    expect((await load.stop()).lost).toEqual([]);
    expect(program.stdout).toMatch(/the application received \d+ messages/);
  });
});

describe('during a drain', () => {
  /** A drain that two slow requests keep open for a while, with a connection that was there before. */
  async function draining(settings: object = {}) {
    const served = await serve('app.mjs', { idleGrace: 1_000, hammerTime: 2_000, ...settings });
    const { program, port } = served;
    const slow = get({ port, path: '/slow?ms=700' });
    const connections = await Promise.all(LIES.map(() => connected(port)));
    await sleep(150);
    program.signal('SIGTERM');
    await program.waitFor('Waiting for connections');
    return { ...served, slow, connections };
  }

  const LIES: [name: string, bytes: string, expected: RegExp][] = [
    ['no request line', 'HELLO\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['an unknown version', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n', /^HTTP\/1\.1 400 |^$/],
    ['no host', 'GET / HTTP/1.1\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'that it stays',
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nKeep-Alive: timeout=600\r\n\r\n',
      /^HTTP\/1\.1 200 [\s\S]*connection: close\r\n/i,
    ],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 9\r\n\r\nx',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a length and chunks',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a longer body than comes',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nshort',
      /^HTTP\/1\.1 200 [\s\S]*connection: close\r\n/i,
    ],
    [
      'a shorter body than comes',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nlonger than that',
      /^HTTP\/1\.1 200 [\s\S]*connection: close\r\n/i,
    ],
    [
      'an upgrade to nothing that is served',
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: nothing\r\n\r\n',
      /^HTTP\/1\.1 200 [\s\S]*connection: close\r\n/i,
    ],
    ['a tunnel', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', /^$/],
    ['a head that has no end', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(30_000)}`, /^HTTP\/1\.1 431 /],
    ['that it speaks HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 400 |^$/],
  ];

  test('clients that lie are told so, or their connections closed, and the drain ends in time', async () => {
    const { program, slow, connections } = await draining();
    const answers = connections.map((socket, index) => {
      const [, bytes] = LIES[index] as (typeof LIES)[number];
      socket.write(bytes);
      return everything(socket);
    });
    const texts = await Promise.all(answers);
    for (const [index, [name, , expected]] of LIES.entries())
      expect([name, texts[index]]).toEqual([name, expect.stringMatching(expected)]);
    expect((await slow).body).toBe('slow 0');
    expect((await program.exited).code).toBe(0);
    expect(program.stderr).not.toMatch(/ERR_|Error/);
  });

  test('clients that never close are closed: those that say nothing, and those that go on sending', async () => {
    const { program, slow, connections } = await draining({ idleGrace: 500, hammerTime: 1_200 });
    const began = performance.now();
    const [dripping, endless] = connections as [net.Socket, net.Socket];
    dripping.write('GET / HTTP/1.1\r\nHost: a\r\n');
    const drip = setInterval(() => dripping.destroyed || dripping.write('x: y\r\n'), 50);
    endless.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');
    const flow = setInterval(() => endless.destroyed || endless.write('5\r\nhello\r\n'), 20);
    onTestFinished(() => {
      clearInterval(drip);
      clearInterval(flow);
    });
    expect((await slow).body).toBe('slow 0');
    const { code } = await program.exited;
    // The deadline, and nothing later: an unfinished head is a request.
    expect(performance.now() - began).toBeLessThan(3_000);
    expect([0, 1]).toContain(code);
    expect(program.stderr).not.toMatch(/ERR_|TypeError|Uncaught/);
  });

  function connected(port: number): Promise<net.Socket> {
    return new Promise((resolve, reject) => {
      // It does not close its half when the server does.
      const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      onTestFinished(() => void socket.destroy());
      socket.once('connect', () => resolve(socket)).once('error', reject);
      socket.on('error', () => {});
    });
  }

  /** All that comes until the server has closed its half. */
  function everything(socket: net.Socket): Promise<string> {
    return new Promise((resolve) => {
      let text = '';
      socket.setEncoding('latin1').on('data', (piece) => {
        text += piece;
      });
      socket.once('end', () => resolve(text)).once('close', () => resolve(text));
    });
  }
});
