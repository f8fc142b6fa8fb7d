import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { nodeBinaries, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { killSuccessor } from './deaths.js';
import { chat, connect, getJson, hup, lossesOf, type Served, serve, storm, until } from './program.js';

describe.each(nodeBinaries())('on Node $version', ({ path: node }) => {
  test('100 clients, messages both ways every 5 ms, 20 restarts: 0 lost, doubled, out of order, closed', async () => {
    const { program, port } = await serve('echo.mjs', {}, { node });
    const clients = await connect(port, 100);
    const stop = chat(clients);
    for (let restart = 0, pid = program.pid; restart < 20; restart += 1) {
      pid = await hup(program, pid);
      await program.waitForPids(1);
    }
    stop();
    expect(await lossesOf(clients)).toEqual([]);
    const messages = clients.reduce((sum, { received }) => sum + received, 0);
    console.log(`${process.version} ${node}: ${messages} messages came`);
    expect((await getJson<{ generation: number }>(port, '/')).generation).toBe(20);
  });

  test('torn and fragmented messages, binaries of up to 1 MB and pings, 20 restarts: likewise', async () => {
    const { program, port } = await serve('echo.mjs', {}, { node });
    const clients = await connect(port, 100);
    const stop = storm(clients);
    for (let restart = 0, pid = program.pid; restart < 20; restart += 1) {
      pid = await hup(program, pid);
      await program.waitForPids(1, 60_000);
    }
    await stop();
    expect(await lossesOf(clients)).toEqual([]);
    const messages = clients.reduce((sum, { received }) => sum + received, 0);
    console.log(`${node}: ${messages} messages came`);
  });
});

test('a successor killed at 20 random moments of the move: every connection lives or was closed', async () => {
  let survived = 0;
  for (let kill = 0; kill < 20; kill += 1) {
    const { alive, closed } = await killSuccessor(randomInt(200));
    expect(alive + closed).toBe(200);
    survived += alive;
  }
  console.log(`${survived} of 4000 connections survived`);
});

interface Drained {
  durationMs: number;
  before: number;
  peak: number;
}

/** How often all connections move, HTTP connections and WebSockets in turn: one move alone varies by half. */
const MOVES = 5;

/** A program that holds very many connections. */
class Crowd {
  readonly served: Served;
  readonly reports: Drained[] = [];
  #pid: number;

  constructor(served: Served) {
    this.served = served;
    this.#pid = served.program.pid;
  }

  /** Moves all of them to the next process; returns the milliseconds that it took. */
  async move(): Promise<number> {
    const { program } = this.served;
    program.signal('SIGHUP', this.#pid);
    const drained = new RegExp(`${this.#pid} drained (.*)`);
    const [, report = ''] = await program.waitFor(drained, { timeout: 60_000 });
    this.reports.push(JSON.parse(report) as Drained);
    [this.#pid = 0] = await program.waitForPids(1);
    return (this.reports.at(-1) as Drained).durationMs;
  }

  /** What its newest process tells. */
  stats(): Promise<{ migrated: number; clients: number; rss: number; peak: number }> {
    return getJson(this.served.port, '/stats');
  }
}

test('10,000 WebSockets move within twice the time of 10,000 idle HTTP connections, and memory does not double', async () => {
  const [http, web] = [new Crowd(await serve('many.mjs')), new Crowd(await serve('many.mjs'))];
  const file = fileURLToPath(new URL('./fixtures/idle-clients.mjs', import.meta.url));
  const idle = startProgram(file, { env: { SERVER: String(http.served.port) } });
  onTestFinished(() => idle.stop());
  await idle.waitFor('connected', { timeout: 60_000 });
  const clients = await connect(web.served.port, 10_000);

  const ratios: number[] = [];
  for (let move = 0; move < MOVES; move += 1) {
    const time = await http.move();
    ratios.push((await web.move()) / time);
  }
  console.log(`${ratios.map((ratio) => ratio.toFixed(2)).join(' ')} times as long`);
  const median = ratios.sort((one, other) => one - other)[Math.floor(MOVES / 2)];
  expect(median).toBeLessThan(2);

  expect((await http.stats()).migrated).toBe(10_000);
  const after = await web.stats();
  expect(after).toMatchObject({ migrated: 10_000, clients: 10_000 });
  const [first] = web.reports as [Drained];
  expect(first.peak).toBeLessThan(first.before * 2);
  expect(after.peak).toBeLessThan(after.rss * 2);
  let heard = 0;
  for (const client of clients) {
    client.onText = (text) => {
      expect(text).toBe(`hello 42 ${MOVES}`);
      heard += 1;
    };
    void client.say('hello');
  }
  await until(() => heard === 10_000, 20_000);
  expect(clients.flatMap(({ losses }) => losses)).toEqual([]);
});
