import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { nodeBinaries } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { killSuccessor } from './deaths.js';
import { chat, connect, getJson, hup, lossesOf, serve, storm, until } from './program.js';

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

/** How often all connections move; their time is the median, since one move alone varies by half. */
const MOVES = 5;

test('10,000 WebSockets move within twice the time of 10,000 idle HTTP connections, and memory does not double', async () => {
  const drained = async (open: (port: number) => Promise<unknown>) => {
    const { program, port } = await serve('many.mjs');
    await open(port);
    const reports: Drained[] = [];
    for (let pid = program.pid, move = 0; move < MOVES; move += 1) {
      program.signal('SIGHUP', pid);
      const [, report = ''] = await program.waitFor(new RegExp(`${pid} drained (.*)`), { timeout: 60_000 });
      reports.push(JSON.parse(report) as Drained);
      [pid = 0] = await program.waitForPids(1);
    }
    const after = await getJson<{ migrated: number; clients: number; rss: number; peak: number }>(port, '/');
    expect(after.migrated).toBe(10_000);
    const times = reports.map(({ durationMs }) => durationMs).sort((one, other) => one - other);
    const { before, peak } = reports[0] as Drained;
    return { times, durationMs: times[Math.floor(MOVES / 2)] as number, before, peak, after };
  };
  // One after the other: a process may have so many descriptors.
  const idle: net.Socket[] = [];
  onTestFinished(() => idle.forEach((socket) => void socket.destroy()));
  const http = await drained(async (port) => {
    for (let at = 0; at < 40; at += 1)
      await Promise.all(
        Array.from({ length: 250 }, async () => {
          const socket = net.connect(port, '127.0.0.1');
          idle.push(socket);
          socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
          await once(socket, 'data');
        }),
      );
  });
  for (const socket of idle) socket.destroy();
  await until(() => idle.every(({ closed }) => closed));
  let clients: Awaited<ReturnType<typeof connect>> = [];
  const web = await drained(async (port) => {
    clients = await connect(port, 10_000);
  });
  expect(web.after.clients).toBe(10_000);
  console.log(JSON.stringify({ http, web }));
  expect(web.durationMs).toBeLessThan(http.durationMs * 2);
  expect(web.peak).toBeLessThan(web.before * 2);
  expect(web.after.peak).toBeLessThan(web.after.rss * 2);
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
