import { once } from 'node:events';
import { createServer, connect as dial, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { get, type Program } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { endTimed, exitedAt, getJson, hup, loggedAt, RawClient, serve, until } from './program.js';

/** A client that writes the bytes of the test and keeps all bytes received. */
interface Connection {
  socket: Socket;
  /** The port of this side, which a closed socket does not know any more. */
  from: number | undefined;
  text: string;
  /** When the other side ended it, by FIN or by RST. */
  ended: number | undefined;
  error: NodeJS.ErrnoException | undefined;
}

/** Opens a connection that, unlike most clients, stays open on this side when the other side ends it. */
async function connect(port: number, bytes = ''): Promise<Connection> {
  const socket = dial({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  const connection: Connection = { socket, from: undefined, text: '', ended: undefined, error: undefined };
  const end = () => {
    connection.ended ??= performance.now();
  };
  socket.setEncoding('latin1').on('data', (text: string) => {
    connection.text += text;
  });
  socket.on('end', end).on('error', (error: NodeJS.ErrnoException) => {
    connection.error = error;
    end();
  });
  await once(socket, 'connect');
  connection.from = socket.localPort;
  if (bytes) socket.write(bytes);
  return connection;
}

/** The bytes of a GET on a connection that the client would like to keep. */
function request(target: string): string {
  return `GET ${target} HTTP/1.1\r\nHost: test\r\n\r\n`;
}

/** A connection that has carried one request and is idle again. */
async function idle(port: number): Promise<Connection> {
  const connection = await connect(port, request('/idle'));
  await until(() => connection.text.endsWith('generation 0'));
  expect(connection.text).toMatch(/^connection: keep-alive\r$/im);
  connection.text = '';
  return connection;
}

/** Waits until the other side has closed a connection as a whole, so that it refuses written bytes. */
async function refusesBytes(connection: Connection): Promise<void> {
  await until(() => {
    if (!connection.error) connection.socket.write(request('/late'));
    return connection.error !== undefined;
  }, 1_000);
}

/** A request that is in the hands of the application when this resolves. */
async function ask(program: Program, port: number, path: string) {
  const after = program.stdout.length;
  const answer = get({ port, path, headers: { connection: 'keep-alive' }, timeout: 20_000 });
  // The test, not the runner, decides whether it is lost.
  answer.catch(() => {});
  await program.waitFor(`asked ${path.split('?', 1)[0]}`, { from: 'stdout', after });
  return { answer };
}

/** Sends a signal; resolves, after the exit of the first process, with its status. */
function endBy(program: Program, signal: NodeJS.Signals) {
  program.signal(signal);
  return program.exited;
}

/** Milliseconds from a signal to the force-close, by the clock of the processes. */
async function forcedAfter(program: Program, signal: NodeJS.Signals, to = program.pid): Promise<number> {
  return (await loggedAt(program, 'Force-closed: ')) - (await loggedAt(program, `Received ${signal}`, to));
}

/** When the process closed a connection, by its own clock: its exit would close it too, but print no such line. */
async function closedAt(program: Program, { from }: Connection): Promise<number> {
  const line = new RegExp(`^connection of ${from} closed at (\\d+)`, 'm');
  return Number((await program.waitFor(line, { from: 'stdout' }))[1]);
}

/** The lines that a process has printed of itself, in order. */
function story(program: Program, pid = program.pid): string[] {
  return [...program.stdout.matchAll(/^said (\d+) (.+)$/gm)]
    .filter(([, sayer]) => Number(sayer) === pid)
    .map(([, , text]) => text as string);
}

/** The detail of an event of a process. */
async function eventOf<Detail>(program: Program, name: string, pid = program.pid): Promise<Detail> {
  return JSON.parse((await program.waitFor(new RegExp(`event ${name} ${pid} (.*)`)))[1] as string) as Detail;
}

interface Hammered {
  requests: { method: string; path: string }[];
  connections: Record<string, number>;
}

describe('SIGTERM', () => {
  test('finishes requests in flight with `Connection: close`, refuses new ones, and exits with status 0', async () => {
    const { program, port } = await serve('stop.mjs');
    const { answer } = await ask(program, port, '/slow?ms=800');
    program.signal('SIGTERM');
    await program.waitFor('Listener closed.');
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    const { status, headers, body } = await answer;
    expect({ status, body, connection: headers.connection }).toEqual({
      status: 200,
      body: 'generation 0',
      connection: 'close',
    });
    expect(await program.exited).toEqual({ code: 0, signal: null });
    const next = createServer().listen(port);
    await once(next, 'listening');
    next.close();
  });

  test('lets an idle connection send one more request within `idleGrace`, answered with `Connection: close`', async () => {
    const { program, port } = await serve('stop.mjs', { idleGrace: 2_000 });
    const connection = await idle(port);
    program.signal('SIGTERM');
    await program.waitFor('Listener closed.');
    connection.socket.write(request('/once-more'));
    await until(() => connection.ended !== undefined);
    expect(connection.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(connection.text).toMatch(/^connection: close\r$/im);
    expect(connection.text).toMatch(/\r\n\r\ngeneration 0$/);
    expect(connection.error).toBeUndefined();
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  test('destroys what is still idle at random moments in the second half of `idleGrace`, never half', async () => {
    const { program, port } = await serve('stop.mjs', { idleGrace: 1_000 });
    // One that has never asked is idle, too.
    const connections = await Promise.all([...Array.from({ length: 19 }, () => idle(port)), connect(port)]);
    const { answer } = await ask(program, port, '/slow?ms=2000');
    program.signal('SIGTERM');
    await until(() => connections.every(({ ended }) => ended !== undefined));
    const began = await loggedAt(program, 'Received SIGTERM');
    const closed = await Promise.all(connections.map((connection) => closedAt(program, connection)));
    const moments = closed.map((at) => at - began);
    expect(Math.min(...moments)).toBeGreaterThan(495);
    expect(Math.max(...moments)).toBeLessThan(1_250);
    expect(Math.max(...moments) - Math.min(...moments)).toBeGreaterThan(100);
    for (const connection of connections) {
      expect(connection.text).toBe('');
      await refusesBytes(connection);
    }
    expect((await answer).body).toBe('generation 0');
    await program.waitFor('exit 0');
    expect(story(program)).not.toContain('asked /late');
  });

  rowTest.each(rowsOf(['a shutdown', 'a restart'], (ending) => ending === 'a shutdown'))(
    'empty lines of a client do not put off the end of its idle connection in %s',
    async (how) => {
      const settings = { idleGrace: 600, hammerTime: 6_000, migrate: false, rollbackWindow: 0 };
      const { program, port } = await serve('stop.mjs', settings);
      const connections = await Promise.all([idle(port), idle(port)]);
      const { answer } = await ask(program, port, '/slow?ms=1100');
      const drip = setInterval(() => {
        for (const { socket, ended } of connections) if (ended === undefined) socket.write('\r\n');
      }, 1);
      onTestFinished(() => clearInterval(drip));
      const began = performance.now();
      if (how === 'a restart') await hup(program);
      else program.signal('SIGTERM');
      await until(() => connections.every(({ ended }) => ended !== undefined), 3_000);
      expect(Math.min(...connections.map(({ ended }) => (ended as number) - began))).toBeGreaterThan(295);
      expect((await answer).body).toBe('generation 0');
    },
  );

  longTest(
    'keeps a process that has something else to do for 1 s after the drain, then ends it',
    async () => {
      const { program } = await serve('stop.mjs', {}, { env: { BUSY: 'all' } });
      const { status } = await endTimed(program, 'SIGTERM');
      expect(status).toEqual({ code: 0, signal: null });
      const exited = await exitedAt(program);
      expect(exited - (await loggedAt(program, 'Received SIGTERM'))).toBeGreaterThan(995);
      expect(exited - (await loggedAt(program, 'Serve\\(\\) returning'))).toBeLessThan(1_300);
    },
  );

  test('lets a process that has nothing else to do exit by itself at once', async () => {
    const { program } = await serve('stop.mjs');
    const { status, after } = await endTimed(program, 'SIGTERM');
    expect(status).toEqual({ code: 0, signal: null });
    expect(after).toBeLessThan(500);
  });
});

test('SIGINT ends idle connections at once', async () => {
  const { program, port } = await serve('stop.mjs');
  const connections = await Promise.all([idle(port), idle(port), connect(port)]);
  const { status, sent, after } = await endTimed(program, 'SIGINT');
  expect(status).toEqual({ code: 0, signal: null });
  expect(after).toBeLessThan(500);
  await until(() => connections.every(({ ended }) => ended !== undefined));
  for (const connection of connections) {
    expect((await closedAt(program, connection)) - sent).toBeLessThan(300);
    expect(connection.text).toBe('');
  }
});

describe('the deadline', () => {
  test('force-closes a stuck request at `hammerTime`, names it without its query, and makes the status 1', async () => {
    const { program, port } = await serve('stop.mjs', { hammerTime: 500 });
    const { answer } = await ask(program, port, '/never?token=secret');
    const { status, after } = await endTimed(program, 'SIGTERM');
    expect(status).toEqual({ code: 1, signal: null });
    expect(await forcedAfter(program, 'SIGTERM')).toBeGreaterThan(495);
    expect(after).toBeLessThan(750);
    await expect(answer).rejects.toThrow();
    await program.waitFor('[STOP - Hammer Time] Forcefully shutting down parent');
    await program.waitFor(/Force-closed: 1 request \(GET \/never\b.*connections: 1 active$/m);
    expect(await eventOf<Hammered>(program, 'hammered')).toMatchObject({
      requests: [{ method: 'GET', path: '/never' }],
      connections: { active: 1 },
    });
    expect(program.output).not.toContain('secret');
    await program.waitFor('exit 1');
  });

  const stuck: Record<string, { bytes: string; kind: string; until?: string; halfClosed?: boolean }> = {
    'a connection that was upgraded': {
      bytes: 'GET /up HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
      kind: 'upgraded',
      until: 'upgraded',
    },
    'an upgraded connection whose client has closed its half': {
      bytes: 'GET /up HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n',
      kind: 'upgraded',
      until: 'upgraded',
      halfClosed: true,
    },
    'half a request head': { bytes: 'GET /half HTTP/1.1\r\nHost: te', kind: 'receiving' },
    'a connection that has never sent a byte': { bytes: '', kind: 'idle' },
  };
  rowTest.each(rowsOf(Object.entries(stuck), ([name]) => name === 'half a request head'))(
    'ends %s at `hammerTime`, with status 0',
    async (_name, { bytes, kind, ...how }) => {
      const { program, port } = await serve('stop.mjs', { hammerTime: 500 });
      const connection = await connect(port, bytes);
      if (how.until) await program.waitFor(how.until, { from: 'stdout' });
      else await until(async () => (await connectionsOf(port)) === 1);
      if (how.halfClosed) connection.socket.end();
      const { status, sent, after } = await endTimed(program, 'SIGTERM');
      expect(status).toEqual({ code: 0, signal: null });
      expect(await forcedAfter(program, 'SIGTERM')).toBeGreaterThan(495);
      expect(after).toBeLessThan(750);
      await until(() => connection.ended !== undefined);
      expect((await closedAt(program, connection)) - sent).toBeLessThan(750);
      expect(await eventOf<Hammered>(program, 'hammered')).toEqual({
        requests: [],
        connections: { [kind]: 1 },
      });
    },
  );

  test('force-closes a stuck request whose client has closed its half', async () => {
    const { program, port } = await serve('stop.mjs', { hammerTime: 500 }, { env: { HALF_OPEN: '1' } });
    const connection = await connect(port, request('/never'));
    await program.waitFor('asked /never');
    connection.socket.end();
    const { status, after } = await endTimed(program, 'SIGTERM');
    expect(status.code).toBe(1);
    expect(await forcedAfter(program, 'SIGTERM')).toBeGreaterThan(495);
    expect(after).toBeLessThan(750);
    expect(await eventOf<Hammered>(program, 'hammered')).toMatchObject({
      requests: [{ method: 'GET', path: '/never' }],
    });
  });

  longTest('never comes by itself with -1, but with SIGUSR2', async () => {
    const { program, port } = await serve('stop.mjs', { hammerTime: -1 });
    const { answer } = await ask(program, port, '/never');
    program.signal('SIGTERM');
    expect(await eventOf(program, 'draining')).toEqual({ reason: 'shutdown', deadlineMs: -1 });
    await sleep(1_500);
    expect(program.pids()).toEqual([program.pid]);
    expect(program.stdout).not.toContain('cut /never');
    const { status, after } = await endTimed(program, 'SIGUSR2');
    expect(status.code).toBe(1);
    expect(after).toBeLessThan(500);
    await expect(answer).rejects.toThrow();
  });

  test('comes at once with 0', async () => {
    const { program, port } = await serve('stop.mjs', { hammerTime: 0 });
    const { answer } = await ask(program, port, '/never');
    const { status, after } = await endTimed(program, 'SIGTERM');
    expect(status.code).toBe(1);
    expect(after).toBeLessThan(500);
    await expect(answer).rejects.toThrow();
    expect(await eventOf<Hammered>(program, 'hammered')).toMatchObject({
      requests: [{ method: 'GET', path: '/never' }],
    });
  });

  longTest('force-closes nothing if everything ends in time', async () => {
    const { program, port } = await serve('stop.mjs', { hammerTime: 600 }, { env: { BUSY: 'all' } });
    const { answer } = await ask(program, port, '/slow?ms=300');
    // The process lives on for a second after the drain, past the deadline.
    expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: 0 });
    expect((await answer).body).toBe('generation 0');
    await program.waitFor('exit 0');
    expect(program.output).not.toMatch(/hammer/i);
  });
});

describe('`shutdown()`', () => {
  test('resolves with what it came to and leaves the process, and its signals, to the caller', async () => {
    const { program, port } = await serve('stop.mjs', {}, { env: { BUSY: 'all' } });
    const { answer } = await ask(program, port, '/slow?ms=700');
    program.signal('SIGUSR1');
    expect((await answer).body).toBe('generation 0');
    const [, ms] = await program.waitFor(/shutdown\(\) {"requests":0,"connections":0} after (\d+) ms/);
    // The request began before the call, and the call ends with it.
    expect(Number(ms)).toBeGreaterThan(200);
    expect(Number(ms)).toBeLessThan(950);
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    await sleep(1_200);
    expect(program.pids()).toEqual([program.pid]);
    expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  test('resolves with the number of requests that were force-closed', async () => {
    const { program, port } = await serve('stop.mjs', { hammerTime: 300 }, { env: { BUSY: 'all' } });
    const { answer } = await ask(program, port, '/never');
    const half = await connect(port, 'GET /half HTTP/1.1\r\nHost: te');
    await until(async () => (await connectionsOf(port)) === 2);
    program.signal('SIGUSR1');
    const [, ms] = await program.waitFor(/shutdown\(\) {"requests":1,"connections":2} after (\d+) ms/);
    expect(Number(ms)).toBeGreaterThan(290);
    expect(Number(ms)).toBeLessThan(550);
    // The process lives on: its exit does not close them.
    await expect(answer).rejects.toThrow();
    await until(() => half.ended !== undefined);
    await sleep(500);
    expect(program.pids()).toEqual([program.pid]);
  });

  longTest(
    'that is under way does not keep a SIGTERM from ending the process once it has drained',
    async () => {
      const { program, port } = await serve('stop.mjs', {}, { env: { BUSY: 'all' } });
      const { answer } = await ask(program, port, '/slow?ms=800');
      program.signal('SIGUSR1');
      await program.waitFor('event draining');
      program.signal('SIGTERM');
      expect((await answer).body).toBe('generation 0');
      await program.waitFor('shutdown() {"requests":0,"connections":0}');
      await program.waitForPids(0, 2_000);
      expect(await program.exited).toEqual({ code: 0, signal: null });
    },
  );
});

describe('with `exit: false` the process', () => {
  longTest('stays after the drain if something keeps it alive, and can be ended by a signal', async () => {
    const { program, port } = await serve(
      'stop.mjs',
      { exit: false, hammerTime: 300 },
      { env: { BUSY: 'all' } },
    );
    await ask(program, port, '/never');
    program.signal('SIGTERM');
    await program.waitFor('done, terminated');
    await sleep(1_500);
    expect(program.pids()).toEqual([program.pid]);
    expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: null, signal: 'SIGTERM' });
  });

  test('exits by itself if nothing does', async () => {
    const { program } = await serve('stop.mjs', { exit: false });
    expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: 0, signal: null });
  });
});

describe('`state`, `signal` and `done`', () => {
  test('go with a shutdown: init, running, shutting-down, terminated', async () => {
    const { program, port } = await serve('stop.mjs');
    await program.waitFor('at last');
    await ask(program, port, '/slow?ms=300');
    await endBy(program, 'SIGTERM');
    await program.waitFor('exit 0');
    expect(story(program)).toEqual([
      'at first init, not aborted',
      'before begin init',
      'at last running, not aborted',
      'asked /slow',
      'abort shutting-down, aborted',
      'answered /slow',
      'done, terminated',
      'exit 0',
    ]);
  });

  test('go the same way in an old process, while the new one goes from init to running', async () => {
    const { program, port } = await serve('stop.mjs');
    const client = new RawClient(port).send('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n');
    await program.waitFor('asked /body');
    const successor = await hup(program);
    await until(async () => (await getJson<{ state: string }>(port, '/ready')).state === 'running');
    await program.waitFor(`said ${program.pid} abort`);
    client.send('.');
    await program.exited;
    await program.waitFor('exit 0');
    expect(story(program).slice(3)).toEqual([
      'asked /body',
      'abort shutting-down, aborted',
      'answered /body',
      'done, terminated',
      'exit 0',
    ]);
    expect(story(program, successor).filter((part) => /init|running|abort/.test(part))).toEqual([
      'at first init, not aborted',
      'at last init, not aborted',
      'before begin init',
    ]);
  });
});

describe('`hold()`', () => {
  test('delays the exit until the last is released, and a second release of one does not release another', async () => {
    const { program, port } = await serve('stop.mjs');
    await get({ port, path: '/hold?ms=600' });
    expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: 0, signal: null });
    await program.waitFor('exit 0');
    expect(story(program).slice(-5)).toEqual([
      'holds 1',
      'released',
      'holds 0',
      'done, terminated',
      'exit 0',
    ]);
  });

  test('keeps the process even where nothing else does', async () => {
    const { program, port } = await serve('stop.mjs');
    await get({ port, path: '/doze?ms=600' });
    expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: 0, signal: null });
    await program.waitFor('exit 0');
    expect(story(program).slice(-4)).toEqual(['released', 'holds 0', 'done, terminated', 'exit 0']);
  });

  longTest('keeps an old process after a restart', async () => {
    const { program, port } = await serve('stop.mjs', { rollbackWindow: 500 });
    // The first hold outlasts the start of the successor and the window.
    await get({ port, path: '/hold?ms=4000' });
    await hup(program);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await program.waitFor('exit 0');
    expect(story(program).slice(-5)).toEqual([
      'holds 1',
      'released',
      'holds 0',
      'done, terminated',
      'exit 0',
    ]);
  });

  test('does not outlast the deadline, which counts it in its log line', async () => {
    const { program, port } = await serve('stop.mjs', { hammerTime: 500 });
    await get({ port, path: '/hold?ms=60000' });
    const { status, after } = await endTimed(program, 'SIGTERM');
    expect(status.code).toBe(0);
    expect(await forcedAfter(program, 'SIGTERM')).toBeGreaterThan(495);
    expect(after).toBeLessThan(750);
    await program.waitFor(/Force-closed: .*holds: 2$/m);
  });
});

describe('`shutdownDelay`', () => {
  test('keeps accepting after a SIGTERM while readiness is 503, then drains', async () => {
    const { program, port } = await serve('stop.mjs', { shutdownDelay: 1_000 });
    expect((await get({ port, path: '/ready' })).status).toBe(200);
    program.signal('SIGTERM');
    const began = await loggedAt(program, 'Received SIGTERM');
    const ready = await get({ port, path: '/ready' });
    expect(ready.status).toBe(503);
    expect(JSON.parse(ready.body)).toEqual({ state: 'shutting-down', generation: 0 });
    for (let asked = 0; asked < 4 || Date.now() - began < 800; asked += 1) {
      expect((await get({ port, path: `/during-${asked}` })).body).toBe('generation 0');
      await sleep(20);
    }
    const took = (await loggedAt(program, 'Listener closed')) - began;
    expect(took).toBeGreaterThan(995);
    expect(took).toBeLessThan(1_250);
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  test('ends at the deadline, whose time began with the signal', async () => {
    const { program, port } = await serve('stop.mjs', { shutdownDelay: 60_000, hammerTime: 500 });
    await ask(program, port, '/never');
    const { status, after } = await endTimed(program, 'SIGTERM');
    expect(status.code).toBe(1);
    expect(await forcedAfter(program, 'SIGTERM')).toBeGreaterThan(495);
    expect(after).toBeLessThan(750);
  });

  test('does not hold up a SIGINT', async () => {
    const { program } = await serve('stop.mjs', { shutdownDelay: 60_000 });
    const { status, after } = await endTimed(program, 'SIGINT');
    expect(status.code).toBe(0);
    expect(after).toBeLessThan(500);
  });
});

describe('readiness', () => {
  test('is 200 all through a restart, also on an old connection to the old process', async () => {
    const { program, port } = await serve('gated.mjs');
    const old = await idle(port);
    program.signal('SIGHUP');
    const [, candidate] = await program.waitFor(/listening (\d+) 1/);
    const starting = await get({ port, path: '/ready' });
    expect(starting.status).toBe(200);
    expect(JSON.parse(starting.body)).toEqual({ state: 'running', generation: 0 });
    program.signal('SIGUSR1', Number(candidate));
    await program.waitFor('event draining');
    const fresh = await get({ port, path: '/ready' });
    expect(fresh.status).toBe(200);
    expect(JSON.parse(fresh.body)).toEqual({ state: 'running', generation: 1 });
    old.socket.write(request('/ready'));
    await until(() => old.text.includes('}'));
    expect(old.text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });
});

describe('a stop of the newest while an older generation drains', () => {
  /** Waits for this many processes to log their exit; resolves with them, in order. */
  async function exits(program: Program, count: number): Promise<number[]> {
    const said = () => [...program.stdout.matchAll(/said (\d+) exit \d/g)].map(([, pid]) => Number(pid));
    await until(() => said().length >= count);
    return said();
  }

  test('by SIGINT ends the idle connections of the older one at once', async () => {
    const { program, port } = await serve('stop.mjs', { migrate: false, rollbackWindow: 0 });
    const connections = await Promise.all([idle(port), idle(port)]);
    const successor = await hup(program);
    await program.waitFor('Listener closed.');
    program.signal('SIGINT', successor);
    const sent = Date.now();
    expect(await program.waitForPids(0)).toEqual([]);
    for (const pid of [program.pid, successor])
      expect((await exitedAt(program, pid)) - sent).toBeLessThan(1_000);
    await until(() => connections.every(({ ended }) => ended !== undefined));
  });

  test('sets its deadline for the older one too, and the newest exits last', async () => {
    const { program, port } = await serve(
      'stop.mjs',
      { hammerTime: 60_000, rollbackWindow: 0 },
      { env: { SUCCESSOR_SETTINGS: '{"hammerTime":600}' } },
    );
    const { answer } = await ask(program, port, '/never');
    const successor = await hup(program);
    expect(await eventOf(program, 'draining')).toMatchObject({ deadlineMs: expect.closeTo(60_000, -3) });
    program.signal('SIGTERM', successor);
    const sent = Date.now();
    expect(await program.waitForPids(0)).toEqual([]);
    expect(await forcedAfter(program, 'SIGTERM', successor)).toBeGreaterThan(595);
    expect((await exitedAt(program, successor)) - sent).toBeLessThan(1_100);
    await expect(answer).rejects.toThrow();
    expect(await eventOf<Hammered>(program, 'hammered')).toMatchObject({
      requests: [{ method: 'GET', path: '/never' }],
    });
    expect(await exits(program, 2)).toEqual([program.pid, successor]);
  });

  longTest('leaves the older one its own deadline where that is earlier', async () => {
    const { program, port } = await serve(
      'stop.mjs',
      { hammerTime: 1_000 },
      { env: { SUCCESSOR_SETTINGS: '{"hammerTime":60000}' } },
    );
    const { answer } = await ask(program, port, '/never');
    const successor = await hup(program);
    program.signal('SIGTERM', successor);
    const sent = Date.now();
    await program.exited;
    expect((await exitedAt(program)) - sent).toBeLessThan(1_500);
    await expect(answer).rejects.toThrow();
    await program.waitForPids(0);
    expect(await exits(program, 2)).toEqual([program.pid, successor]);
  });

  longTest('cuts nothing that ends in time, through a chain of three', async () => {
    const { program, port } = await serve('stop.mjs');
    const first = new RawClient(port).send('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n');
    await program.waitFor('asked /body');
    const second = await hup(program);
    const third = await hup(program, second);
    program.signal('SIGTERM', third);
    await program.waitFor(new RegExp(`endless ${third} .*Listener closed`));
    await refusesConnections(port);
    first.send('.');
    const sent = Date.now();
    // It does not move to a process that stops as well.
    expect(await first.closed).toMatch(/connection: close[\s\S]*generation 0$/i);
    await program.waitForPids(0);
    expect((await exitedAt(program, third)) - sent).toBeLessThan(1_500);
    expect(await exits(program, 3)).toEqual([program.pid, second, third]);
    expect(program.output).not.toMatch(/hammer/i);
  });

  longTest('reaches the oldest of three after the one between has drained and exited', async () => {
    const { program, port } = await serve(
      'stop.mjs',
      { hammerTime: 60_000, migrate: false },
      { env: { SUCCESSOR_SETTINGS: '{"hammerTime":800}' } },
    );
    const { answer } = await ask(program, port, '/never');
    const second = await hup(program);
    const third = await hup(program, second);
    await eventOf(program, 'drained', second);
    await program.waitForPids(2);
    expect(program.pids().sort()).toEqual([program.pid, third].sort());
    program.signal('SIGTERM', third);
    const sent = Date.now();
    await program.waitForPids(0);
    expect(await forcedAfter(program, 'SIGTERM', third)).toBeGreaterThan(795);
    expect((await exitedAt(program, third)) - sent).toBeLessThan(1_300);
    await expect(answer).rejects.toThrow();
    expect(await exits(program, 3)).toEqual([second, program.pid, third]);
  });

  rowTest.each(
    rowsOf(
      [
        ['SIGUSR2', 0],
        ['SIGTERM', 1_050],
      ] as const,
      ([signal]) => signal === 'SIGUSR2',
    ),
  )(
    'force-closes it with a %s to the newest, which has drained and only waits for it',
    async (signal, wait) => {
      const { program, port } = await serve('stop.mjs');
      const { answer } = await ask(program, port, '/never');
      const successor = await hup(program);
      program.signal('SIGTERM', successor);
      await eventOf(program, 'drained', successor);
      await sleep(wait);
      program.signal(signal, successor);
      const sent = Date.now();
      await program.waitForPids(0, 3_000);
      for (const pid of [program.pid, successor])
        expect((await exitedAt(program, pid)) - sent).toBeLessThan(500);
      await expect(answer).rejects.toThrow();
      expect(await exits(program, 2)).toEqual([program.pid, successor]);
    },
  );

  longTest('is bounded by its deadline also where the older one is stopped by SIGSTOP', async () => {
    const { program, port } = await serve(
      'stop.mjs',
      { rollbackWindow: 20 },
      { env: { SUCCESSOR_SETTINGS: '{"hammerTime":1200}' } },
    );
    const { answer } = await ask(program, port, '/never');
    answer.catch(() => {});
    const successor = await hup(program);
    program.signal('SIGTERM', successor);
    await eventOf(program, 'drained', successor);
    program.signal('SIGSTOP');
    await until(() => !program.pids().includes(successor), 5_000);
    const after =
      (await exitedAt(program, successor)) - (await loggedAt(program, 'Received SIGTERM', successor));
    expect(after).toBeGreaterThan(1_150);
    expect(after).toBeLessThan(2_200);
    program.signal('SIGCONT');
    await program.waitForPids(0, 3_000);
  });

  longTest('makes the newest exit last also where something keeps the older one alive', async () => {
    const { program, port } = await serve('stop.mjs', {}, { env: { BUSY: '0' } });
    await ask(program, port, '/slow?ms=1000');
    const successor = await hup(program);
    program.signal('SIGTERM', successor);
    await program.waitForPids(0);
    expect(await exits(program, 2)).toEqual([program.pid, successor]);
  });
});

longTest('what can never move keeps no younger process from being drained', async () => {
  const { program, port } = await serve('stop.mjs');
  await connect(port, 'GET /up HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await program.waitFor('upgraded', { from: 'stdout' });
  const second = await hup(program);
  await hup(program, second);
  await eventOf(program, 'drained', second);
  expect(program.pids()).toContain(program.pid);
});

longTest('logs no force-close of a process that only waits for an older generation', async () => {
  const { program, port } = await serve(
    'stop.mjs',
    { hammerTime: 60_000 },
    { env: { SUCCESSOR_SETTINGS: '{"hammerTime":800}' } },
  );
  const { answer } = await ask(program, port, '/slow?ms=3000');
  const second = await hup(program);
  await hup(program, second);
  // It cannot answer the one between, which would hand it on otherwise.
  program.signal('SIGSTOP');
  await program.waitFor(`said ${second} exit`);
  program.signal('SIGCONT');
  const { body, headers } = await answer;
  // No process is left to which its connection could move, and the old process had time to learn that.
  expect([body, headers.connection]).toEqual(['generation 0', 'close']);
  await program.waitForPids(1);
  expect(program.output).not.toMatch(/hammer/i);
});

longTest('a restart of the newest takes nothing from the deadline of an older generation', async () => {
  const { program, port } = await serve(
    'stop.mjs',
    { hammerTime: 60_000 },
    { env: { SUCCESSOR_SETTINGS: '{"hammerTime":300}' } },
  );
  const { answer } = await ask(program, port, '/slow?ms=2500');
  const second = await hup(program);
  await hup(program, second);
  expect((await answer).body).toBe('generation 0');
});

test('SIGHUP is refused while the process shuts down, and starts nothing', async () => {
  const { program, port } = await serve('stop.mjs');
  const { answer } = await ask(program, port, '/slow?ms=800');
  program.signal('SIGTERM');
  await program.waitFor('event draining');
  program.signal('SIGHUP');
  await program.waitFor('This process is shutting down and does not restart.');
  expect((await answer).body).toBe('generation 0');
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(program.output).not.toMatch(/spawned|forking/);
});

test('SIGTERM and SIGHUP at once leave no process behind', async () => {
  const { program, port } = await serve('stop.mjs');
  program.signal('SIGHUP');
  program.signal('SIGTERM');
  expect(await program.exited).toEqual({ code: 0, signal: null });
  await program.waitForPids(0);
  await refusesConnections(port);
});

/** How many connections the server has apart from the one that asks. */
async function connectionsOf(port: number): Promise<number> {
  return (await getJson<{ connections: number }>(port, '/stats')).connections - 1;
}

/** Waits until no process listens; a killed one holds its sockets a moment longer than its entry in /proc. */
async function refusesConnections(port: number): Promise<void> {
  await until(async () => {
    const outcome = await get({ port }).then(
      ({ body }) => body,
      ({ code }: NodeJS.ErrnoException) => code,
    );
    expect(outcome).toMatch(/^ECONN/);
    return outcome === 'ECONNREFUSED';
  }, 1_000);
}
