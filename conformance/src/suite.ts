import { setTimeout as sleep } from 'node:timers/promises';
import { get, type NodeBinary, nodeBinaries, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import type { Abilities } from './abilities.js';
import { RawClient } from './client.js';
import { OWN_LISTENERS, ownCode } from './own-code.js';
import { getJson, hup, type Served, serve, until } from './program.js';

/** What one run of the suite is about. */
export interface RunOptions {
  /** The Node.js binary. Default: the one that runs the tests. */
  node?: string;
  /** How often the program is restarted under load. Default 5. */
  restarts?: number;
  /** Runs what a framework can get wrong by itself, and leaves out what the server below it does. Default false. */
  essential?: boolean;
}

/** How the application is made to listen: by the framework's own call, or by `endless.listen`. */
const LISTENS = ['own', 'endless'] as const;

interface Stats {
  activeRequests: number;
  connections: number;
}

/**
 * Runs the behaviour that every adapter shares against a program.
 *
 * The program is started with PORT, SETTINGS (JSON for `endless.configure`) and LISTEN, prints `listening <pid>
 * <generation>`, sets `x-generation` on every answer, and has these routes: `/` (the generation), `/slow?ms=`, `/throw`,
 * `/stream?ms=` (two chunks), `/hijack?ms=` (answers past the framework), `POST /upload` (the length), `/never`
 * (no answer), `/stats` (`endless.stats()`), `/ready` (`endless.readiness`), `/proxied` (sets `Connection: keep-alive`),
 * and an error handler of its own that sets `x-error-handler`. It runs on this Node.js unless another is given.
 */
export function conformance(
  name: string,
  file: string,
  abilities: Abilities = {},
  { node, restarts = 5, essential = false }: RunOptions = {},
): void {
  const listens = essential ? (['own'] as const) : LISTENS;
  const modes = essential ? (['keep-alive'] as const) : (['keep-alive', 'new-connection'] as const);
  const start = (settings: object = {}, listen: string = 'own') =>
    serve(file, settings, { env: { LISTEN: listen }, ...(node && { node }) });

  describe(`${name}: a restart loses no request`, () => {
    for (const listen of listens)
      for (const mode of modes)
        test(`under strict ${mode} load, ${restarts} times, with ${listen} listen`, {
          timeout: 90_000,
        }, async () => {
          const { program, port } = await start({ idleGrace: 500 }, listen);
          const connections = mode === 'keep-alive' ? 50 : 20;
          const load = startLoad({ port, connections, mode });
          for (let restart = 0; restart < restarts; restart += 1) await hup(program);
          await until(() => load.answers.has(String(restarts)));
          const report = await load.stop();
          expect(report.lost).toEqual([]);
          expect(report.answers.size).toBe(restarts + 1);
          if (mode === 'keep-alive') expect(report.opened).toBe(connections);
        });

    test('slow, streamed and uploaded requests finish on the process that began them', async () => {
      const { program, port } = await start();
      const slow = get({ port, path: '/slow?ms=600' });
      const stream = get({ port, path: '/stream?ms=600' });
      const upload = new RawClient(port).send(
        'POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234',
      );
      await active(port, 3);
      await hup(program);
      upload.send('56789');
      expect((await slow).body).toBe('slow 0');
      expect((await stream).body).toBe('first 0 second 0');
      expect(await upload.receive(/\r\n\r\n10/)).toMatch(/x-generation: 0/i);
      expect((await get({ port })).body).toBe('generation 1');
      await program.waitForPids(1);
    });
  });

  describe(`${name}: while it drains`, () => {
    /** A shutdown that a held request keeps from ending, with old connections to say things on. */
    async function draining(
      count: number,
      settings: object = {},
    ): Promise<Served & { clients: RawClient[] }> {
      const served = await start({ idleGrace: 4_000, ...settings });
      const clients = Array.from({ length: count }, () => new RawClient(served.port).get('/'));
      for (const client of clients) await client.receive(/generation 0/);
      await keepBusy(served.port);
      served.program.signal('SIGTERM');
      await served.program.waitFor('Listener closed.');
      return { ...served, clients };
    }

    const ANSWERS = [
      ['an answer', '/', 200],
      ['a thrown error', '/throw', 500],
      ['an unknown route', '/no-such-route', 404],
      ['an answer that a proxy gave Connection: keep-alive', '/proxied', 200],
      ['the refusal of a URL', '/%zz', '4\\d\\d'],
    ] as const;
    test(`new connections are refused, and what is answered on an old one says close and closes it: ${ANSWERS.map(([what]) => what).join(', ')}`, async () => {
      const { clients, port } = await draining(ANSWERS.length);
      await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
      for (const [at, [what, target, status]] of ANSWERS.entries()) {
        const answer = await (clients[at] as RawClient).get(target).closed;
        expect(answer, what).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
        expect(answer, what).toMatch(/\r\nconnection: close\r\n/i);
      }
    });

    test(`lateRequests 'reject' answers 503 with Connection: close and Retry-After`, async () => {
      const { clients } = await draining(1, { lateRequests: 'reject' });
      const answer = await clients[0]?.get('/').closed;
      expect(answer).toMatch(/^HTTP\/1.1 503 /);
      expect(answer).toMatch(/\r\nconnection: close\r\n/i);
      expect(answer).toMatch(/\r\nretry-after: \d+\r\n/i);
      if (!abilities.errorHandler) expect(answer).toMatch(/\r\nx-error-handler: /i);
    });
  });

  describe(`${name}: a restart that is taken back`, () => {
    for (const listen of listens)
      test(`leaves the app as it was, with ${listen} listen: no connection is refused, the next restart works`, async () => {
        const { program, port } = await start({ rollbackWindow: 2_000 }, listen);
        const load = startLoad({ port, connections: 5, mode: 'new-connection' });
        const stream = get({ port, path: '/stream?ms=1500' });
        await active(port, 1);
        program.signal('SIGKILL', await hup(program));
        await program.waitFor('Rolled back');
        expect((await stream).body).toBe('first 0 second 0');
        expect((await getJson<{ state: string }>(port, '/stats')).state).toBe('running');
        await hup(program, program.pid);
        await until(() => load.answers.has('1'));
        const { lostBy } = await load.stop();
        expect([...lostBy.keys()].filter((reason) => reason !== 'reset' && reason !== 'ended')).toEqual([]);
      });
  });

  describe(`${name}: readiness`, () => {
    test('is green, stays green over a restart, and is red from the first moment of a shutdown', async () => {
      const { program, port } = await start({ shutdownDelay: 700 });
      expect(await ready(port)).toEqual({ status: 200, body: { state: 'running', generation: 0 } });
      const pid = await hup(program);
      expect(await ready(port)).toEqual({ status: 200, body: { state: 'running', generation: 1 } });
      program.signal('SIGTERM', pid);
      await program.waitFor('Received SIGTERM.');
      expect(await ready(port)).toEqual({ status: 503, body: { state: 'shutting-down', generation: 1 } });
      expect((await get({ port })).status).toBe(200);
      await program.waitForPids(0);
    });
  });

  describe(`${name}: active requests`, () => {
    const FINISHED = ['/slow?ms=200', '/stream?ms=200', '/throw', '/no-such-route', '/%zz', '/upload'];
    test(`are none again after ${FINISHED.join(', ')}`, async () => {
      const { port } = await start();
      for (const target of FINISHED) {
        await get({ port, path: target, method: target === '/upload' ? 'POST' : 'GET' });
        await idle(port);
      }
    });

    if (!abilities.hijack)
      test('count a hijacked answer until it ends', async () => {
        const { port } = await start();
        const client = new RawClient(port).get('/hijack?ms=300');
        await active(port, 1);
        await client.receive(/hijacked/);
        await idle(port);
      });

    const HALF_AN_UPLOAD = 'POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01';
    const ABORTED = ['/slow?ms=400', '/stream?ms=400', '/never', HALF_AN_UPLOAD];
    test('forget a client that aborts a slow answer, a stream, one that never ends and an upload', async () => {
      const { port } = await start();
      for (const target of ABORTED) {
        const client = new RawClient(port);
        if (target === HALF_AN_UPLOAD) client.send(target);
        else client.get(target);
        await active(port, 1);
        client.socket.destroy();
        await idle(port);
      }
    });

    test('count every pipelined request', async () => {
      const { port } = await start();
      const client = new RawClient(port).get('/slow?ms=300', '/slow?ms=300', '/slow?ms=300');
      await active(port, 3);
      await client.receive(/slow 0[\s\S]*slow 0[\s\S]*slow 0/);
      await idle(port);
    });
  });

  if (!essential)
    ownCode(name, () =>
      serve(
        file,
        { idleGrace: 200 },
        { env: { LISTEN: 'own' }, execArgv: OWN_LISTENERS, ...(node && { node }) },
      ),
    );

  describe(`${name}: the end`, () => {
    test('SIGTERM answers what is in flight, exits with 0 and leaves nothing behind', async () => {
      const { program, port } = await start();
      const slow = get({ port, path: '/slow?ms=400' });
      await active(port, 1);
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow 0');
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(program.stderr).not.toMatch(/error|threw/i);
    });

    test('the hammer ends a request that never ends, and says which', async () => {
      const { program, port } = await start({ hammerTime: 500 });
      new RawClient(port).get('/never?token=secret');
      await active(port, 1);
      const began = performance.now();
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 1, signal: null });
      expect(performance.now() - began).toBeLessThan(500 + 250);
      expect(program.stderr).toContain('GET /never');
      expect(program.stderr).not.toContain('secret');
    });
  });
}

/** Keeps a request in flight for as long as the test runs. */
async function keepBusy(port: number): Promise<void> {
  new RawClient(port).get('/never');
  await active(port, 1);
}

/** Waits until so many requests are in flight beside the one that asks. */
async function active(port: number, count: number): Promise<void> {
  await until(async () => (await getJson<Stats>(port, '/stats')).activeRequests === count + 1);
}

/** Waits until no request is in flight but the one that asks. */
async function idle(port: number): Promise<void> {
  await sleep(20);
  await active(port, 0);
}

async function ready(port: number): Promise<{ status: number; body: unknown }> {
  const { status, body } = await get({ port, path: '/ready' });
  return { status, body: JSON.parse(body) };
}

/** Runs the suite on every supported Node.js version that is installed. */
export function conformanceOnEveryNode(name: string, file: string, abilities: Abilities = {}): void {
  onNodes(nodeBinaries(), name, file, abilities);
}

/** Runs the suite on the oldest and on the newest supported Node.js version that are installed. */
export function conformanceOnEndsOfRange(name: string, file: string, abilities: Abilities = {}): void {
  const all = nodeBinaries();
  onNodes([...new Set([...all.slice(0, 1), ...all.slice(-1)])], name, file, abilities);
}

function onNodes(nodes: NodeBinary[], name: string, file: string, abilities: Abilities): void {
  for (const { version, path: node } of nodes)
    conformance(`${name} on Node ${version}`, file, abilities, { node });
}
