import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { TrackedServer } from '../connections/tracked-server.js';
import { realWorld } from '../real-world.js';
import { endIdle } from './idle.js';

/** Milliseconds until the connection is due, half of the grace: the random number below is 0. */
const DUE = 20;

/** A server with one idle connection, its client, and the start of its drain. */
async function draining() {
  const server = createServer((_request, response) => response.end('hello')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const tracked = new TrackedServer(server, undefined, 511, () => {});
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {});
  onTestFinished(() => {
    client.destroy();
    server.close();
  });
  /** Sends a request; resolves with its answer, or with `closed` if the connection ends before that. */
  const ask = () =>
    new Promise<string>((resolve) => {
      client.once('data', (bytes) => resolve(String(bytes))).once('close', () => resolve('closed'));
      client.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    });
  expect(await ask()).toMatch(/hello$/);
  const begin = () => onTestFinished(endIdle(tracked, 2 * DUE, { ...realWorld, random: () => 0 }));
  return { client, ask, begin };
}

/** Blocks the event loop: what arrives meanwhile waits in the kernel. */
function block(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('an idle connection is closed once it is due', async () => {
  const { client, begin } = await draining();
  const began = performance.now();
  begin();
  await once(client, 'close');
  expect(performance.now() - began).toBeGreaterThan(DUE - 1);
});

test('a request that has arrived when the timer of its connection fires is read first', async () => {
  const { ask, begin } = await draining();
  begin();
  // Nothing of the drain waits for the end of this turn: the next thing is the timer.
  await turn();
  const answer = ask();
  block(3 * DUE);
  expect(await answer).toMatch(/hello$/);
});

test('a request that arrives in a long turn, before the look at its end, is read first', async () => {
  const { ask, begin } = await draining();
  begin();
  const answer = ask();
  block(3 * DUE);
  expect(await answer).toMatch(/hello$/);
});

test('a process whose turns are all long closes idle connections too', async () => {
  const { client, begin } = await draining();
  begin();
  let immediate: NodeJS.Immediate;
  const goOn = () => {
    block(15);
    immediate = setImmediate(goOn);
  };
  goOn();
  onTestFinished(() => clearImmediate(immediate));
  await once(client, 'close', { signal: AbortSignal.timeout(2_000) });
});
