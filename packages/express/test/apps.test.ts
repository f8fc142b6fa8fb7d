import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
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
import { get, startLoad } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { RawClient } from '../../../conformance/dist/client.js';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

const start = (env: Record<string, string> = {}, settings: object = {}) =>
  serve(fixture('reality.mjs'), settings, { env });

/** Restarts a few times under keep-alive load and expects that nothing was lost. */
async function expectRestarts({ program, port }: Served, count = 3): Promise<void> {
  const load = startLoad({ port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
  onTestFinished(() => void load.stop());
  for (let restart = 0; restart < count; restart += 1) await hup(program);
  await until(() => load.answers.has(String(count)));
  const { lost, answers } = await load.stop();
  expect(lost).toEqual([]);
  expect([...answers.keys()].sort()).toEqual(Array.from({ length: count + 1 }, (_, n) => String(n)));
}

interface Draining extends Served {
  /** An old connection. */
  client: RawClient;
}

/** A shutdown that a request without an answer keeps from ending, with an old connection to say things on. */
async function draining(env: Record<string, string> = {}, settings: object = {}): Promise<Draining> {
  const served = await start(env, { idleGrace: 4_000, ...settings });
  const client = new RawClient(served.port).get('/');
  await client.receive(/generation 0/);
  new RawClient(served.port).get('/never');
  await until(
    async () => (await getJson<{ activeRequests: number }>(served.port, '/stats')).activeRequests === 2,
  );
  served.program.signal('SIGTERM');
  await served.program.waitFor('Listener closed.');
  return { ...served, client };
}

const CLOSE = /\r\nconnection: close\r\n/i;

/** The body of one whole answer, its chunks put together. */
function bodyOf(answer: string): Buffer {
  const end = answer.indexOf('\r\n\r\n');
  let rest = answer.slice(end + 4);
  if (!/\r\ntransfer-encoding: chunked\r\n/i.test(answer.slice(0, end + 2)))
    return Buffer.from(rest, 'latin1');
  let body = '';
  for (;;) {
    const line = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (!(size > 0)) return Buffer.from(body, 'latin1');
    body += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 2 + size + 2);
  }
}

const post = (target: string, type: string, body: string) =>
  `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

describe('the middleware, wherever it is mounted', () => {
  for (const [mount, where] of [
    ['router', 'in a router below other routes'],
    ['sub-app', 'in a sub-app'],
  ] as const) {
    for (const target of rowsOf(
      ['/', '/router/hello', '/admin/hello', '/no-such-route'],
      (_row, at) => at === 2,
    ))
      rowTest(`${where}: ${target} is told to close while draining`, async () => {
        const { client } = await draining({ MOUNT: mount });
        client.get(target);
        expect(await client.closed).toMatch(CLOSE);
      });

    longTest(`${where}: a request outside of it is waited for`, async () => {
      const { program, port } = await start({ MOUNT: mount });
      const slow = get({ port, path: '/slow?ms=600' });
      await until(
        async () => (await getJson<{ activeRequests: number }>(port, '/stats')).activeRequests === 2,
      );
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow 0');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    });

    longTest(`${where}: restarts lose no request`, async () => {
      await expectRestarts(await start({ MOUNT: mount }, { idleGrace: 500 }));
    });
  }

  longTest('twice in one app: restarts lose no request, and each is counted once', async () => {
    const served = await start({ MOUNT: 'twice' }, { idleGrace: 500 });
    await expectRestarts(served);
    expect(await getJson(served.port, '/stats')).toMatchObject({ activeRequests: 1, connections: 1 });
  });

  test(`twice in one app: lateRequests 'reject' answers once, by the app's error handler`, async () => {
    const { client } = await draining({ MOUNT: 'twice' }, { lateRequests: 'reject' });
    client.get('/');
    const answer = await client.closed;
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
    expect(answer).toMatch(CLOSE);
    expect(bodyOf(answer).toString()).toMatch(/^handled: /);
    expect(answer.match(/HTTP\/1.1/g)).toHaveLength(1);
  });
});

describe('while it drains', () => {
  test('an error handler that writes Connection: keep-alive itself is overruled', async () => {
    const { client } = await draining();
    client.get('/throw');
    const answer = await client.closed;
    expect(answer).toMatch(/^HTTP\/1.1 500 /);
    expect(answer).toMatch(CLOSE);
    expect(answer).not.toMatch(/keep-alive/i);
    expect(bodyOf(answer).toString()).toBe('handled: thrown on purpose');
  });

  test('a compressed answer is whole and has Connection: close', async () => {
    const { client } = await draining();
    client.send('GET /zip HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n');
    const answer = await client.closed;
    expect(answer).toMatch(/\r\ncontent-encoding: gzip\r\n/i);
    expect(answer).toMatch(CLOSE);
    expect(gunzipSync(bodyOf(answer)).toString()).toBe('compressed '.repeat(1_000));
  });

  longTest('a compressed stream that began before the drain arrives whole', async () => {
    const { program, port } = await start({}, { idleGrace: 0 });
    const client = new RawClient(port).send(
      'GET /zip-stream?ms=150 HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n',
    );
    await until(() => client.text.includes('\r\n\r\n'));
    program.signal('SIGTERM');
    const answer = await client.closed;
    expect(gunzipSync(bodyOf(answer)).toString()).toBe('one two three');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  test('the answer with a static file, also an unchanged one, has Connection: close', async () => {
    const folder = temporaryFolder();
    writeFileSync(path.join(folder, 'page.txt'), 'a page');
    const { client, port, program } = await start({ FOLDER: folder }).then(async (served) => {
      const client = new RawClient(served.port).get('/files/page.txt');
      const first = await client.receive(/a page/);
      return { ...served, client: Object.assign(client, { etag: /etag: (.*)\r\n/i.exec(first)?.[1] }) };
    });
    const other = new RawClient(port).get('/files/page.txt');
    await other.receive(/a page/);
    new RawClient(port).get('/never');
    await until(async () => (await getJson<{ activeRequests: number }>(port, '/stats')).activeRequests === 2);
    program.signal('SIGTERM');
    await program.waitFor('Listener closed.');
    client.send(`GET /files/page.txt HTTP/1.1\r\nHost: x\r\nIf-None-Match: ${client.etag}\r\n\r\n`);
    expect(await client.closed).toMatch(/^HTTP\/1.1 304 [\s\S]*\r\nconnection: close\r\n/i);
    other.get('/files/page.txt');
    const answer = await other.closed;
    expect(answer).toMatch(CLOSE);
    expect(bodyOf(answer).toString()).toBe('a page');
  });

  longTest('a static file that a slow client reads is sent to its last byte', async () => {
    const folder = temporaryFolder();
    const bytes = randomBytes(8 * 1024 * 1024);
    writeFileSync(path.join(folder, 'big.bin'), bytes);
    const { program, port } = await start({ FOLDER: folder }, { idleGrace: 0 });
    const client = new RawClient(port).get('/files/big.bin');
    await until(() => client.text.length > 0);
    client.socket.pause();
    program.signal('SIGTERM');
    await program.waitFor('Listener closed.');
    await new Promise((resolve) => setTimeout(resolve, 300));
    client.socket.resume();
    expect(bodyOf(await client.closed).equals(bytes)).toBe(true);
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  for (const [what, bytes, status, body] of [
    ['a JSON body', post('/json', 'application/json', '{"a":1}'), 200, '{"got":{"a":1}}'],
    ['a form', post('/form', 'application/x-www-form-urlencoded', 'name=Ann'), 200, 'Ann'],
    ['invalid JSON', post('/json', 'application/json', '{"a":'), 400, 'handled: entity.parse.failed'],
    [
      'a body above the limit',
      post('/json', 'application/json', `"${'x'.repeat(2_000)}"`),
      413,
      'handled: entity.too.large',
    ],
  ] as const)
    (what === 'a form' ? test : longTest)(
      `${what} is parsed as before, and the answer has Connection: close`,
      async () => {
        const { client } = await draining();
        client.send(bytes);
        const answer = await client.closed;
        expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
        expect(answer).toMatch(CLOSE);
        expect(bodyOf(answer).toString()).toBe(body);
      },
    );
});

describe('Express 4', () => {
  const four = { EXPRESS: 'express4' };

  longTest('restarts lose no request', async () => {
    await expectRestarts(await start(four, { idleGrace: 500 }));
  });

  test('while it drains, the answers to a thrown error and an unknown route have Connection: close', async () => {
    for (const [target, status] of [
      ['/throw', 500],
      ['/no-such-route', 404],
    ] as const) {
      const { client } = await draining(four);
      client.get(target);
      const answer = await client.closed;
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toMatch(CLOSE);
    }
  });
});

describe('an app that looks after its IPC channel', () => {
  longTest(
    `restarts like any other although it exits on 'disconnect' and throws on an unknown 'message'`,
    async () => {
      const served = await serve(fixture('ipc.mjs'), { idleGrace: 500 });
      const before = await getJson(served.port, '/');
      await expectRestarts(served);
      await served.program.waitForPids(1);
      expect(await getJson(served.port, '/')).toEqual(before);
      expect(served.program.stderr).not.toMatch(/unknown message/);
    },
  );

  longTest('restarts like any other with `allowOrphaning` when its parent gave it a channel', async () => {
    const served = await serve(fixture('ipc.mjs'), { idleGrace: 500, allowOrphaning: true }, { ipc: true });
    expect(await getJson(served.port, '/')).toEqual({ connected: true, send: 'function', channel: 'object' });
    await expectRestarts(served);
    await served.program.waitForPids(1);
    expect(await getJson(served.port, '/')).toEqual({ send: 'undefined', channel: 'undefined' });
    expect(served.program.stderr).not.toMatch(/unknown message/);
  });
});

describe('an app that listens before it calls endless()', () => {
  for (const [where, env] of [
    ['on all interfaces', {}],
    ['on one host', { HOST: '127.0.0.1' }],
  ] as const) {
    test(`${where}: a warning tells it, and its requests are answered`, async () => {
      const { program, port } = await serve(fixture('late.mjs'), {}, { env });
      expect((await get({ port })).body).toBe('generation 0');
      await program.waitFor('Call endless() before listen().', { timeout: 2_000 });
    });

    longTest(`${where}: it restarts like any other`, async () => {
      const served = await serve(fixture('late.mjs'), { idleGrace: 500 }, { env });
      expect((await get({ port: served.port })).body).toBe('generation 0');
      await expectRestarts(served);
    });

    longTest(`${where}: SIGTERM waits for the request in flight`, async () => {
      const { program, port } = await serve(fixture('late.mjs'), {}, { env });
      expect((await get({ port })).body).toBe('generation 0');
      const slow = get({ port, path: '/slow?ms=500' });
      await new Promise((resolve) => setTimeout(resolve, 200));
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    });
  }
});

longTest(
  'an app that loads a package through a symbolic link once endless is in restarts like any other',
  async () => {
    // With it, as pnpm's own launcher sets it, a package would also be found without its link.
    const { program, port } = await serve(fixture('lazy.mjs'), {}, { env: { NODE_PATH: undefined } });
    await hup(program);
    await hup(program);
    expect((await get({ port })).body).toBe('generation 2');
  },
);

longTest('an app that closes its first server and listens again restarts like any other', async () => {
  const served = await serve(fixture('again.mjs'), { idleGrace: 500 });
  await expectRestarts(served);
});

test('a SIGHUP at the moment at which a process takes over is not lost', async () => {
  const { program, port } = await serve(fixture('again-at-once.mjs'));
  program.signal('SIGHUP');
  await program.waitFor('generation 2, has taken over', { timeout: 5_000 });
  expect((await get({ port })).body).toBe('generation 2');
});
