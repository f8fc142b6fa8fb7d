import { fileURLToPath } from 'node:url';
import { describe, getJson, hup, longTest, type Served, serve, test, until } from '@endless/conformance';
import { get, startLoad, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { RawClient } from '../../../conformance/dist/client.js';

const fixture = (name: string) => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));

const start = (env: Record<string, string> = {}, settings: object = {}) =>
  serve(fixture('reality.mjs'), settings, { env });

/** Restarts three times under keep-alive load and expects that nothing was lost. */
async function expectRestarts({ program, port }: Served): Promise<void> {
  const load = startLoad({ port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
  onTestFinished(() => void load.stop());
  for (let restart = 0; restart < 3; restart += 1) await hup(program);
  await until(() => load.answers.has('3'));
  const { lost, answers } = await load.stop();
  expect(lost).toEqual([]);
  expect([...answers.keys()].sort()).toEqual(['0', '1', '2', '3']);
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
  await active(served.port, 1);
  served.program.signal('SIGTERM');
  await served.program.waitFor('Listener closed.');
  return { ...served, client };
}

/** Waits until so many requests are in flight beside the one that asks. */
const active = (port: number, count: number) =>
  until(async () => (await getJson<{ activeRequests: number }>(port, '/stats')).activeRequests === count + 1);

const CLOSE = /\r\nconnection: close\r\n/i;

describe('restarts lose no request', () => {
  for (const [what, env] of [
    ['with the Koa app itself given to endless.listen', { LISTEN: 'app' }],
    ['with its callback given to endless.listen', { LISTEN: 'callback' }],
    ['with endless() only in a nested router', { MOUNT: 'router' }],
    ['with endless() twice in the app', { MOUNT: 'twice' }],
    ['on Koa 2', { KOA: 'koa2' }],
    ['on Koa 2 with the app itself given to endless.listen', { KOA: 'koa2', LISTEN: 'app' }],
  ] as const)
    (what === 'on Koa 2' ? test : longTest)(what, async () => {
      await expectRestarts(await start(env, { idleGrace: 500 }));
    });
});

describe('with @koa/router', () => {
  for (const mount of ['app', 'router'])
    for (const target of ['/', '/nested/hello', '/throw', '/no-such-route'])
      longTest(`and endless() in the ${mount}, ${target} is told to close while draining`, async () => {
        const { client } = await draining({ MOUNT: mount });
        client.get(target);
        expect(await client.closed).toMatch(CLOSE);
      });

  test('readiness is a route, and 503 from the first moment of a shutdown', async () => {
    const { program, port } = await start({}, { shutdownDelay: 500 });
    expect(await get({ port, path: '/ready' })).toMatchObject({
      status: 200,
      body: '{"state":"running","generation":0}',
    });
    program.signal('SIGTERM');
    await program.waitFor('Received SIGTERM.');
    expect(await get({ port, path: '/ready' })).toMatchObject({
      status: 503,
      body: '{"state":"shutting-down","generation":0}',
    });
  });

  longTest('a shutdown waits for a request outside of the router that has endless()', async () => {
    const { program, port } = await start({ MOUNT: 'router' });
    const slow = get({ port, path: '/slow?ms=500' });
    await active(port, 1);
    program.signal('SIGTERM');
    expect((await slow).body).toBe('slow 0');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });
});

describe(`a late request under lateRequests 'reject'`, () => {
  longTest('is not an error that Koa prints', async () => {
    const { client, program } = await draining({}, { lateRequests: 'reject' });
    client.get('/');
    expect(await client.closed).toMatch(/^HTTP\/1.1 503 [\s\S]*The server is restarting\.$/);
    expect(program.stderr).not.toMatch(/ServiceUnavailable|restarting/);
  });

  test(`is seen by the app's own error listener, once, as one whose message may be shown`, async () => {
    const { client, program } = await draining({ ERRORS: 'own' }, { lateRequests: 'reject' });
    client.get('/');
    expect(await client.closed).toMatch(/^HTTP\/1.1 503 /);
    await program.waitFor('app error');
    expect(program.stdout.match(/app error: .*/g)).toEqual(['app error: 503 true The server is restarting.']);
  });
});

test('while it drains on Koa 2, the answers to a thrown error and an unknown route have Connection: close', async () => {
  for (const [target, status] of [
    ['/throw', 418],
    ['/no-such-route', 404],
  ] as const) {
    const { client } = await draining({ KOA: 'koa2' });
    client.get(target);
    const answer = await client.closed;
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(CLOSE);
  }
});

longTest(
  'supertest gets its answers from app.callback(), keeps no signal listener, and the program ends by itself',
  async () => {
    const program = startProgram(fixture('supertest.mjs'));
    onTestFinished(() => program.stop());
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stdout).toContain('{"statuses":[200,200,200,404],"left":0,"state":"init"}');
  },
);
