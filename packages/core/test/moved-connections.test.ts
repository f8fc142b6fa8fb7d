import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, RawClient, rowTest, test } from '@endless/conformance';
import { freePort, get, startLoad, testedNodes } from '@endless/testkit';
import { expect } from 'vitest';
import { exitedAt, getJson, hup, serve, temporaryFolder, until } from './program.js';

/** Without a rollback window, so that the old process exits at once. */
const AT_ONCE = { rollbackWindow: 0 };

/** An open connection that has carried a request. */
async function used(where: number | string, host?: string): Promise<RawClient> {
  const client = new RawClient(where, host).get('/');
  await client.receive(/generation 0$/);
  return client;
}

describe.each(testedNodes())('on Node $version', ({ path: node }) => {
  describe('a connection is not moved', () => {
    /** Restarts while something is under way, and sees that the client is followed once that is over. */
    async function restartMeanwhile(
      begin: (client: RawClient) => void,
      finish: (client: RawClient) => unknown,
    ) {
      const { program, port } = await serve('connections.mjs', AT_ONCE, { node });
      const client = await used(port);
      begin(client);
      await sleep(100);
      await hup(program);
      await sleep(100);
      await finish(client);
      expect((await client.get('/').receive(/generation \d$/)).match(/generation \d$/)?.[0]).toBe(
        'generation 1',
      );
      await program.exited;
    }

    rowTest('while the head of a request has come in part', () =>
      restartMeanwhile(
        (client) => client.send('GET / HTTP/1.1\r\nHo'),
        async (client) => {
          client.send('st: localhost\r\n\r\n');
          expect(await client.receive(/generation \d$/)).toMatch(/generation 0$/);
        },
      ),
    );

    rowTest('while pipelined requests wait', () =>
      restartMeanwhile(
        (client) => client.get('/slow?ms=300', '/slow?ms=200', '/slow?ms=100'),
        async (client) => {
          const text = await client.receive(/slow[\s\S]*slow[\s\S]*slow$/);
          expect(text.match(/x-generation: \d/gi)).toEqual(Array(3).fill('x-generation: 0'));
        },
      ),
    );

    rowTest('while an answer waits in the send buffer of a slow reader', () =>
      restartMeanwhile(
        (client) => {
          client.socket.pause();
          client.get('/large?bytes=20000000');
        },
        async (client) => {
          client.socket.resume();
          await until(() => client.text.length > 20_000_000);
          expect(client.text.slice(0, 100)).toMatch(/^HTTP\/1.1 200 OK\r\nx-generation: 0/i);
          client.text = '';
        },
      ),
    );
  });

  rowTest('a connection whose request outlasts two restarts goes on to the newest process', async () => {
    const { program, port } = await serve('connections.mjs', AT_ONCE, { node });
    const clients = await Promise.all(Array.from({ length: 20 }, () => used(port)));
    for (const client of clients) client.get('/slow?ms=2000');
    await hup(program);
    await hup(program);
    for (const client of clients) {
      expect(await client.receive(/slow$/)).toMatch(/x-generation: 0/i);
      // At once: it is under way between the three then.
      client.get('/');
    }
    // The process in between, whose application may be closed by now, only passes it on.
    for (const client of clients) expect(await client.receive(/generation \d$/)).toMatch(/generation [02]$/);
    for (const client of clients)
      await until(async () => /generation 2$/.test(await client.get('/').receive(/generation \d$/)));
    await program.waitForPids(1);
  });

  rowTest(
    'connections that come back from a successor that died after the commit are told to close',
    async () => {
      const env = { DIE_AFTER: '1', STALL: '400' };
      const { program, port } = await serve('connections.mjs', AT_ONCE, { node, env });
      const clients = await Promise.all(Array.from({ length: 20 }, () => used(port)));
      program.signal('SIGHUP');
      await program.waitFor('No more connections move');
      for (const client of clients)
        expect(await client.get('/').receive(/generation 0$/)).toMatch(/connection: close/i);
      await program.waitForPids(0);
    },
  );

  rowTest(
    'the keep-alive time starts again with each of two moves, and headersTimeout does not end an idle connection',
    async () => {
      const { program, port } = await serve('connections.mjs', AT_ONCE, {
        node,
        env: {
          SERVER: JSON.stringify({ connectionsCheckingInterval: 50 }),
          TIMEOUTS: JSON.stringify({ headersTimeout: 600, requestTimeout: 600, keepAliveTimeout: 500 }),
        },
      });
      const [idle, busy] = [await used(port), await used(port)];
      const silent = new RawClient(port);
      await sleep(300);
      await hup(program, await hup(program));
      const began = performance.now();
      const idleFor = idle.closed.then(() => performance.now() - began);
      // Longer than the time for which an idle connection is kept.
      busy.get('/slow?ms=1800');
      const slow = busy.receive(/slow$/);
      expect(await Promise.race([idleFor.then(() => 'ended'), slow])).toBe('ended');
      expect(await slow).toMatch(/^HTTP\/1.1 200 OK\r\nx-generation: 2/i);
      // One that has never been used is still one that is slow to send its first head.
      expect(await silent.closed).toMatch(/^HTTP\/1.1 408 /);
      // Node gives a client one second more than it announces.
      expect(await idle.closed).toBe('');
      expect(await idleFor).toBeGreaterThan(1_300);
    },
  );

  rowTest('over a unix socket, under load, no request is lost and no connection opened', async () => {
    const socket = path.join(temporaryFolder(), 'app.sock');
    const { program } = await serve('connections.mjs', {}, { node, env: { SOCKET: socket } });
    const load = startLoad({ path: socket, connections: 30, mode: 'keep-alive' });
    const idle = await used(socket);
    for (let restart = 1; restart <= 3; restart += 1) {
      await hup(program);
      await until(() => load.answers.has(String(restart)));
    }
    const { lost, opened } = await load.stop();
    expect(lost).toEqual([]);
    expect(opened).toBe(30);
    expect(await idle.get('/').receive(/generation \d$/)).toMatch(/generation 3$/);
  });
});

describe('a connection that has moved', () => {
  for (const host of ['127.0.0.1', '::1'])
    test(`has the addresses that it had, over ${host}`, async () => {
      const { program, port } = await serve('connections.mjs');
      const client = await used(port, host);
      const addresses = async () =>
        JSON.parse((await client.get('/addresses').receive(/\}$/)).replace(/^[\s\S]*\r\n/, ''));
      const before = await addresses();
      expect(before).toMatchObject({ remotePort: client.socket.localPort, localPort: port });
      expect(before.remoteAddress).toMatch(new RegExp(`${host}$`));
      expect(before.localAddress).toMatch(new RegExp(`${host}$`));
      await hup(program);
      expect(await addresses()).toEqual(before);
    });

  test('is gone for the old process, which counts none, closes its server and leaves', async () => {
    const { program, port } = await serve('connections.mjs', AT_ONCE);
    const clients = [
      ...(await Promise.all(Array.from({ length: 20 }, () => used(port)))),
      ...Array.from({ length: 10 }, () => new RawClient(port)),
    ];
    await until(async () => (await getJson<Counts>(port, '/counts')).opened >= 30);
    const { opened } = await getJson<Counts>(port, '/counts');
    const began = Date.now();
    await hup(program);
    const [, text = ''] = await program.waitFor(/done \d+ (.*)/);
    // A listener for each, and an event for each.
    expect(JSON.parse(text)).toEqual({
      opened,
      closed: opened,
      migrated: 30,
      stats: 30,
      left: 0,
      addresses: [`[::]:${port}`],
    });
    await program.waitFor(`server closed ${program.pid}`);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect((await exitedAt(program)) - began).toBeLessThan(2_000);
    expect(await getJson<Counts>(port, '/counts')).toEqual({
      opened: 31,
      closed: 0,
      migrated: 30,
      stats: 30,
      addresses: [`[::]:${port}`],
    });
    for (const client of clients)
      expect(await client.get('/').receive(/generation \d$/)).toMatch(/generation 1$/);
  });

  test('is not one of a server that the successor does not have: those are told to close', async () => {
    const second = await freePort();
    const { program, port } = await serve('connections.mjs', {}, { env: { SECOND_PORT: String(second) } });
    const kept = await used(port);
    const dropped = new RawClient(second).get('/');
    await dropped.receive(/second$/);
    await hup(program);
    // Until the commit, the old process serves what the new one does not.
    await program.waitFor('Listener closed.');
    expect(await dropped.get('/').closed).toMatch(/connection: close[\s\S]*second$/i);
    expect(await kept.get('/').receive(/generation \d$/)).toMatch(/keep-alive[\s\S]*generation 1$/i);
    await expect(get({ port: second })).rejects.toThrow('ECONNREFUSED');
  });
});

interface Counts {
  opened: number;
  closed: number;
  migrated: number;
  stats: number;
  addresses: string[];
}
