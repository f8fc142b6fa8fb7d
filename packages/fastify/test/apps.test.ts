import { once } from 'node:events';
import { existsSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  describe,
  getJson,
  hup,
  longTest,
  rowsOf,
  rowTest,
  type Served,
  serve,
  temporaryFolder,
  test,
  until,
} from '@endless/conformance';
import { freePort, get, type LoadOptions, type Program, startLoad, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { RawClient } from '../../../conformance/dist/client.js';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

const start = (env: Record<string, string> = {}, settings: object = {}) =>
  serve(fixture('reality.mjs'), settings, { env });

/** Restarts a few times under load on each of these addresses and expects that nothing was lost. */
async function expectRestarts(
  { program }: Pick<Served, 'program'>,
  targets: Partial<LoadOptions>[],
  count = 3,
): Promise<void> {
  const loads = targets.map((target) =>
    startLoad({ connections: 8, mode: 'keep-alive', thinkTime: () => 5, ...target }),
  );
  onTestFinished(() => void loads.map((load) => load.stop()));
  // A generation may live for less time than a client thinks.
  const answered = (generation: number) =>
    until(() => loads.every((load) => load.answers.has(String(generation))));
  await answered(0);
  for (let restart = 1; restart <= count; restart += 1) {
    await hup(program);
    await answered(restart);
  }
  for (const load of loads) {
    const { lost, answers } = await load.stop();
    expect(lost).toEqual([]);
    expect(answers.size).toBe(count + 1);
  }
}

/** Waits until so many requests are in flight beside the one that asks. */
const active = (port: number, count: number) =>
  until(async () => (await getJson<{ activeRequests: number }>(port, '/stats')).activeRequests === count + 1);

/** What this process has told so far, in order. */
const told = ({ stdout }: Program, pid: number) =>
  [...stdout.matchAll(/^(\S+) (\d+) \d+$/gm)]
    .filter((match) => Number(match[2]) === pid)
    .map(([, what]) => what);

/** What the first process has told in all, once it is gone and these words, its last ones, have arrived. */
async function lastWords(program: Program, ...words: string[]): Promise<(string | undefined)[]> {
  await until(() => !program.pids().includes(program.pid), 10_000);
  for (const word of words)
    await program.waitFor(new RegExp(`^${word} ${program.pid} `, 'm'), { timeout: 2_000 });
  return told(program, program.pid);
}

describe('restarts lose no request', () => {
  longTest('on both servers of localhost', async () => {
    const served = await start({}, { idleGrace: 500 });
    const { port } = served;
    await expectRestarts(served, [{ port }, { port, host: '::1' }]);
    const { servers } = await getJson<{ servers: { address: string }[] }>(port, '/stats');
    expect(servers.map(({ address }) => address).sort()).toEqual([`127.0.0.1:${port}`, `[::1]:${port}`]);
  });

  for (const [what, env] of [
    ['with a serverFactory', { KIND: 'factory' }],
    ['with a serverFactory, by endless.listen', { KIND: 'factory', LISTEN: 'endless' }],
    ['with the plugin registered twice', { REGISTER: 'twice' }],
    ['with the plugin in nested contexts only', { REGISTER: 'nested' }],
  ] as const)
    (what.includes('nested') ? test : longTest)(what, async () => {
      const served = await start(env, { idleGrace: 500 });
      await expectRestarts(served, [{ port: served.port }]);
    });

  for (const listen of ['own', 'endless'])
    longTest(`on a unix socket, with ${listen} listen`, async () => {
      const socketPath = path.join(temporaryFolder(), 'app.sock');
      const served = await start({ SOCKET_PATH: socketPath, LISTEN: listen }, { idleGrace: 500 });
      await expectRestarts(served, [{ path: socketPath }]);
      const [pid] = await served.program.waitForPids(1);
      expect(existsSync(socketPath)).toBe(true);
      served.program.signal('SIGTERM', pid);
      await served.program.waitForPids(0);
      expect(existsSync(socketPath)).toBe(false);
    });

  longTest('on two apps in one process', async () => {
    const second = await freePort();
    const served = await start({ REGISTER: 'two-apps', SECOND_PORT: String(second) }, { idleGrace: 500 });
    await expectRestarts(served, [{ port: served.port }, { port: second }]);
    await lastWords(served.program, 'closed:first', 'closed:second');
  });

  longTest(
    'and show no 503 of a closing app, in ten restarts, on busy and on idle connections',
    async () => {
      const served = await start({}, { idleGrace: 1_000 });
      const { port } = served;
      const idling = { thinkTime: () => Math.random() * 400 };
      const slow = { request: () => ({ target: '/slow?ms=150' }) };
      await expectRestarts(served, [{ port }, { port, ...idling }, { port, ...slow }], 10);
    },
    60_000,
  );
});

describe('over TLS and HTTP/2', () => {
  const localhost = (port: number) => `https://localhost:${port}`;

  longTest('https: requests in flight finish, and no new connection is refused', async () => {
    const { program, port } = await start({ KIND: 'https' }, { idleGrace: 500 });
    const ask = (target: string) =>
      new Promise<string>((resolve, reject) => {
        const options = { host: '127.0.0.1', port, path: target, agent: false, rejectUnauthorized: false };
        const request = https.get(options, async (response) => {
          let body = '';
          for await (const chunk of response) body += chunk;
          resolve(body);
        });
        request.on('error', reject);
      });
    const slow = ask('/slow?ms=600');
    await sleep(100);
    const answers = new Set<string>();
    let restarts = 0;
    const restarting = (async () => {
      for (; restarts < 3; restarts += 1) await hup(program);
    })();
    for (const end = performance.now() + 10_000; performance.now() < end; ) {
      const answer = await ask('/');
      answers.add(answer);
      if (answer === 'generation 3') break;
    }
    await restarting;
    expect([...answers]).toEqual([0, 1, 2, 3].map((n) => `generation ${n}`));
    expect(await slow).toBe('slow 0');
  });

  for (const [kind, url] of [
    ['h2c', (port: number) => `http://127.0.0.1:${port}`],
    ['h2', localhost],
  ] as const)
    longTest(
      `${kind}: open streams finish, their session is ended, and no new session is refused`,
      async () => {
        const { program, port } = await start({ KIND: kind }, { idleGrace: 500 });
        const session = () => {
          const made = http2.connect(url(port), { rejectUnauthorized: false });
          onTestFinished(() => made.destroy());
          made.on('error', () => {});
          return made;
        };
        const old = session();
        const slow = ask(old, '/slow?ms=800');
        await once(old, 'connect');
        await sleep(100);
        const closed = once(old, 'close');
        const answers = new Set<string>();
        const restarting = (async () => {
          for (let restart = 0; restart < 3; restart += 1) await hup(program);
        })();
        for (const end = performance.now() + 10_000; performance.now() < end; ) {
          const fresh = session();
          const answer = await ask(fresh, '/');
          fresh.close();
          answers.add(answer);
          if (answer === 'generation 3') break;
        }
        await restarting;
        expect([...answers]).toEqual([0, 1, 2, 3].map((n) => `generation ${n}`));
        expect(await slow).toBe('slow 0');
        await closed;
        await program.waitForPids(1, 5_000);
      },
    );

  longTest(
    'h2c: a connection that was opened before a restart and is used only afterwards gets its answer',
    async () => {
      const { program, port } = await start({ KIND: 'h2c' });
      const socket = connect(port, '127.0.0.1');
      onTestFinished(() => void socket.destroy());
      await once(socket, 'connect');
      await hup(program);
      await program.waitFor('Listener closed.');
      await sleep(100);
      const session = http2.connect(`http://127.0.0.1:${port}`, { createConnection: () => socket });
      expect(await ask(session, '/')).toBe('generation 0');
      await once(session, 'close');
    },
  );

  async function ask(session: http2.ClientHttp2Session, target: string): Promise<string> {
    const stream = session.request({ ':path': target });
    stream.setEncoding('utf8').end();
    let body = '';
    for await (const chunk of stream) body += chunk;
    return body;
  }
});

describe(`the app's end`, () => {
  test('preClose runs in the old process at the commit, and onClose when its last request is answered', async () => {
    const { program, port } = await start();
    const client = new RawClient(port).send(
      'POST /slow HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n.',
    );
    await active(port, 1);
    await hup(program);
    await program.waitFor('preClose:first');
    expect(await client.send('.').receive(/slow \d/)).toMatch(/slow 0$/);
    expect(await lastWords(program, 'closed:first')).toEqual([
      'listening',
      'preClose:first',
      'answered',
      'onClose:first',
      'closed:first',
    ]);
  });

  test('does not come in the rollback window, nor at a rollback', async () => {
    const { program, port } = await start({}, { rollbackWindow: 2_000 });
    program.signal('SIGKILL', await hup(program));
    await program.waitFor('Rolled back');
    expect((await get({ port })).status).toBe(200);
    expect(program.stdout).not.toMatch(/preClose|onClose|closed/);
  });

  for (const [what, env] of [
    ['begins with preClose on SIGTERM, and ends with onClose after the drain', {}],
    ['comes once although the plugin is registered twice', { REGISTER: 'twice' }],
    ['comes although the plugin is registered in nested contexts only', { REGISTER: 'nested' }],
    ['comes with a serverFactory', { KIND: 'factory' }],
  ] as const)
    (what.includes('SIGTERM') ? test : longTest)(what, async () => {
      const { program, port } = await start(env);
      const slow = get({ port, path: '/slow?ms=400' });
      await active(port, 1);
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow 0');
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(await lastWords(program, 'closed:first')).toEqual([
        'listening',
        'preClose:first',
        'answered',
        'onClose:first',
        'closed:first',
      ]);
    });

  longTest(
    'is bounded by `hammerTime`: an onClose hook that takes too long does not keep the old process',
    async () => {
      const { program } = await start({ ON_CLOSE: '20000' }, { hammerTime: 700 });
      const began = performance.now();
      await hup(program);
      await program.exited;
      expect(performance.now() - began).toBeLessThan(3_000);
      expect(await lastWords(program, 'onClose:first')).toEqual([
        'listening',
        'preClose:first',
        'onClose:first',
      ]);
    },
  );

  longTest('a request that never ends is force-closed, and the hooks run all the same', async () => {
    const { program, port } = await start({}, { hammerTime: 700 });
    new RawClient(port).get('/never');
    await active(port, 1);
    await hup(program);
    await lastWords(program, 'onClose:first');
    expect(program.stderr).toContain('GET /never');
  });

  longTest('two apps are both closed at the end of a restart', async () => {
    const second = await freePort();
    const { program } = await start({ REGISTER: 'two-apps', SECOND_PORT: String(second) });
    await hup(program);
    await lastWords(program, 'closed:first', 'closed:second');
  });
});

describe('an app that the program closes itself', () => {
  for (const [what, host] of [
    ['answers what is in flight with Connection: close', '127.0.0.1'],
    ['answers what is in flight on the second server of localhost with Connection: close', '::1'],
  ] as const)
    (host === '127.0.0.1' ? test : longTest)(`${what}, and the process ends promptly`, async () => {
      const { program, port } = await start();
      const idle = new RawClient(port).get('/');
      await idle.receive(/generation 0/);
      const slow = get({ port, host, path: '/slow?ms=500', headers: { Connection: 'keep-alive' } });
      await active(port, 1);
      const began = performance.now();
      await get({ port, path: '/close' });
      expect(await slow).toMatchObject({ body: 'slow 0', headers: { connection: 'close' } });
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(performance.now() - began).toBeLessThan(2_500);
      expect(program.stdout).toContain('app.close:first');
    });

  for (const moment of rowsOf(['hook', 'later', 'handover'], (moment) => moment === 'handover'))
    rowTest(`during a restart (${moment}) loses no request`, async () => {
      const { program, port } = await start({ CLOSE_AT: moment }, { rollbackWindow: 500, idleGrace: 500 });
      const loads = (['keep-alive', 'new-connection'] as const).map((mode) =>
        startLoad({ port, connections: 8, mode }),
      );
      onTestFinished(() => void loads.map((load) => load.stop()));
      await until(() => loads.every((load) => load.answers.has('0')));
      await hup(program);
      await until(() => loads.every((load) => load.answers.has('1')));
      expect(await program.exited).toEqual({ code: 0, signal: null });
      for (const load of loads) expect((await load.stop()).lost).toEqual([]);
    });

  longTest('in the rollback window is closed once the restart is rolled back', async () => {
    const { program, port } = await start({ CLOSE_AT: 'handover' }, { rollbackWindow: 2_000 });
    const successor = await hup(program);
    await program.waitFor(/^preClose:first/m, { from: 'stdout' });
    program.signal('SIGKILL', successor);
    await program.waitFor('Rolled back');
    await program.waitFor('app.close:first', { from: 'stdout' });
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  longTest('is one of two: the other serves on, and restarts', async () => {
    const second = await freePort();
    const served = await start({ REGISTER: 'two-apps', SECOND_PORT: String(second) }, { idleGrace: 500 });
    const { program, port } = served;
    await get({ port, path: '/close' });
    await program.waitFor('app.close:first');
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    await expectRestarts(served, [{ port: second }]);
  });
});

longTest(
  'inject, supertest and a listening app that is closed leave no signal listener, and the program ends by itself',
  async () => {
    const program = startProgram(fixture('inject.mjs'));
    onTestFinished(() => program.stop());
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(JSON.parse(program.stdout)).toEqual({
      statuses: [200, 404, 200, 200],
      beforeListening: 0,
      whileListening: 4,
      left: 0,
      state: 'init',
    });
  },
);

describe('with @fastify/websocket', () => {
  const open = async (port: number) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socket`);
    onTestFinished(() => socket.terminate());
    socket.on('error', () => {});
    await once(socket, 'open');
    socket.send('hello');
    const [message] = await once(socket, 'message');
    return { socket, message: String(message) };
  };

  for (const how of rowsOf(['SIGTERM', 'SIGHUP'] as const, (how) => how === 'SIGTERM'))
    rowTest(
      `${how}: its preClose closes the clients cleanly, and the process exits long before the deadline`,
      async () => {
        const { program, port } = await serve(fixture('websocket.mjs'));
        const { socket, message } = await open(port);
        expect(message).toBe('hello 0');
        const closed = once(socket, 'close');
        const began = performance.now();
        if (how === 'SIGHUP') await hup(program);
        else program.signal('SIGTERM');
        const [code] = await closed;
        expect(code).toBe(1005);
        expect(await program.exited).toEqual({ code: 0, signal: null });
        expect(performance.now() - began).toBeLessThan(5_000);
        expect(program.stdout).toContain(`preClose ${program.pid} 0`);
        if (how === 'SIGHUP') expect((await open(port)).message).toBe('hello 1');
      },
    );
});
