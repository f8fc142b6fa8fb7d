import { setTimeout as sleep } from 'node:timers/promises';
import { get, type NodeBinary, nodeBinaries, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import type { Abilities } from './abilities.js';
import { RawClient } from './client.js';
import { OWN_LISTENERS, ownCode } from './own-code.js';
import { getJson, hup, loggedAt, type Served, serve, until } from './program.js';

/** The options of one run of the suite. */
export interface RunOptions {
  /** The Node.js binary that runs the program. Default: the one that runs the tests. */
  node?: string;
  /** The number of restarts under load. Default 5, and 2 with `essential`. */
  restarts?: number;
  /** Runs only what a framework can break by itself, and not what the server below it does. Default false. */
  essential?: boolean;
}

/** How the application listens: by the framework's own call, or by `endless.listen`. */
const LISTENS = ['own', 'endless'] as const;

interface Stats {
  activeRequests: number;
  connections: number;
}

/**
 * Tests the behaviour that all adapters share on a program.
 *
 * The program gets PORT, SETTINGS (JSON for `endless.configure`) and LISTEN, prints `listening <pid>
 * <generation>`, sets `x-generation` on every answer, and has these routes: `/` (the generation), `/slow?ms=`, `/throw`,
 * `/stream?ms=` (two chunks), `/hijack?ms=` (answers past the framework), `POST /upload` (the length), `/never`
 * (no answer), `/stats` (`endless.stats()`), `/ready` (`endless.readiness`), `/proxied` (sets `Connection: keep-alive`),
 * and an error handler of its own that sets `x-error-handler`. It runs on this Node.js unless another is given.
 */
export function conformance(
  name: string,
  file: string,
  abilities: Abilities = {},
  { node, essential = false, restarts = essential ? 2 : 5 }: RunOptions = {},
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

    test('the process that began a slow, streamed or uploaded request finishes it', async () => {
      const { program, port } = await start({ lateRequests: 'reject' });
      const slow = get({ port, path: '/slow?ms=600' });
      const stream = get({ port, path: '/stream?ms=600' });
      const upload = new RawClient(port).send(
        'POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01234',
      );
      await active(port, 3);
      await hup(program);
      await program.waitFor('Listener closed.');
      // The next request comes with the end of this one. It is not late: its connection moves after it.
      upload.send('56789GET / HTTP/1.1\r\nHost: x\r\n\r\n');
      expect((await slow).body).toBe('slow 0');
      expect((await stream).body).toBe('first 0 second 0');
      const answers = await upload.receive(/\r\n\r\n10[\s\S]*generation \d/);
      expect(answers.match(/HTTP\/1\.1 200 |x-generation: 0/gi)).toHaveLength(4);
      expect(answers).not.toMatch(/connection: close/i);
      expect((await get({ port })).body).toBe('generation 1');
      await program.waitForPids(1);
    });
  });

  describe(`${name}: while it drains`, () => {
    /** Begins a shutdown that a request in flight keeps open, with idle connections from before. */
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
    test(`it refuses new connections, and closes an old one with \`Connection: close\` on: ${ANSWERS.map(([what]) => what).join(', ')}`, async () => {
      const { clients, port } = await draining(ANSWERS.length);
      await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
      for (const [at, [what, target, status]] of ANSWERS.entries()) {
        const answer = await (clients[at] as RawClient).get(target).closed;
        expect(answer, what).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
        expect(answer, what).toMatch(/\r\nconnection: close\r\n/i);
      }
    });

    test("with lateRequests 'reject' it answers 503 with Connection: close and Retry-After", async () => {
      const { clients } = await draining(1, { lateRequests: 'reject' });
      const answer = await clients[0]?.get('/').closed;
      expect(answer).toMatch(/^HTTP\/1.1 503 /);
      expect(answer).toMatch(/\r\nconnection: close\r\n/i);
      expect(answer).toMatch(/\r\nretry-after: \d+\r\n/i);
      if (!abilities.errorHandler) expect(answer).toMatch(/\r\nx-error-handler: /i);
    });
  });

  if (!essential)
    describe(`${name}: a rollback`, () => {
      for (const listen of listens)
        test(`refuses no connection, and the next restart works, with ${listen} listen`, async () => {
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
    test('is 200, stays 200 over a restart, and is 503 from the first moment of a shutdown', async () => {
      const { program, port } = await start({ shutdownDelay: 60_000 });
      expect(await ready(port)).toEqual({ status: 200, body: { state: 'running', generation: 0 } });
      const pid = await hup(program);
      expect(await ready(port)).toEqual({ status: 200, body: { state: 'running', generation: 1 } });
      program.signal('SIGTERM', pid);
      await program.waitFor('Received SIGTERM.');
      expect(await ready(port)).toEqual({ status: 503, body: { state: 'shutting-down', generation: 1 } });
      expect((await get({ port })).status).toBe(200);
    });
  });

  // One program serves them all.
  test(`${name}: active requests include pipelined and hijacked ones, and drop to 0 after each answer and each abort`, async () => {
    const { port } = await start();
    for (const target of ['/slow?ms=50', '/stream?ms=50', '/throw', '/no-such-route', '/%zz', '/upload']) {
      await get({ port, path: target, method: target === '/upload' ? 'POST' : 'GET' });
      await idle(port);
    }

    const HALF_AN_UPLOAD = 'POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n01';
    for (const target of ['/slow?ms=60000', '/stream?ms=60000', '/never', HALF_AN_UPLOAD]) {
      const client = new RawClient(port);
      if (target === HALF_AN_UPLOAD) client.send(target);
      else client.get(target);
      await active(port, 1);
      client.socket.destroy();
      await idle(port);
    }

    const pipelined = new RawClient(port).get('/slow?ms=300', '/slow?ms=10', '/slow?ms=10');
    await active(port, 3);
    await pipelined.receive(/slow 0[\s\S]*slow 0[\s\S]*slow 0/);
    await idle(port);

    if (abilities.hijack) return;
    const hijacked = new RawClient(port).get('/hijack?ms=300');
    await active(port, 1);
    await hijacked.receive(/hijacked/);
    await idle(port);
  });

  if (!essential)
    ownCode(name, () =>
      serve(
        file,
        { idleGrace: 200 },
        { env: { LISTEN: 'own' }, execArgv: OWN_LISTENERS, ...(node && { node }) },
      ),
    );

  describe(`${name}: SIGTERM`, () => {
    test('answers the requests in flight, exits with status 0 and reports no error', async () => {
      const { program, port } = await start();
      const slow = get({ port, path: '/slow?ms=400' });
      await active(port, 1);
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow 0');
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(program.stderr).not.toMatch(/error|threw/i);
    });

    if (essential) return;
    test('force-closes a request that never ends at `hammerTime`, names it and exits with status 1', async () => {
      const { program, port } = await start({ hammerTime: 500 });
      new RawClient(port).get('/never?token=secret');
      await active(port, 1);
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 1, signal: null });
      const began = await loggedAt(program, 'Received SIGTERM');
      expect((await loggedAt(program, 'Force-closed: 1 request')) - began).toBeLessThan(500 + 250);
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

/** Waits until this many requests are in flight beside the one for `/stats`. */
async function active(port: number, count: number): Promise<void> {
  await until(async () => (await getJson<Stats>(port, '/stats')).activeRequests === count + 1);
}

/** Waits until no request is in flight but the one for `/stats`. */
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
