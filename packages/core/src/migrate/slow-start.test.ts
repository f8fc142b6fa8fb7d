import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { TrackedServer } from '../connections/tracked-server.js';
import { realWorld } from '../real-world.js';
import { SlowStart } from './slow-start.js';

/** A slow start at the moment of the handover, with so many busy connections. */
function begun(busy: number, window = 2_000) {
  let now = 1_000;
  const sockets = Array.from({ length: busy }, () => ({ bytesRead: 0, parser: {} }));
  const servers = [{ sockets: new Set(sockets) } as unknown as TrackedServer];
  const slowStart = new SlowStart({ ...realWorld, now: () => now }, servers, window);
  for (const socket of sockets) socket.bytesRead += 1;
  slowStart.begin(servers);
  return { slowStart, pass: (ms: number) => (now += ms) };
}

/** How many busy connections may move now. */
function allowed(slowStart: SlowStart): number {
  let count = 0;
  for (; slowStart.wait === 0 && count < 10_000; count += 1) slowStart.moves();
  return count;
}

test('none for 100 ms, then one, and from there a share that grows with the square of the time', () => {
  // 1000 ms, of which the slow start takes 950.
  const { slowStart, pass } = begun(100, 1_100);
  expect(allowed(slowStart)).toBe(0);
  pass(99);
  expect(allowed(slowStart)).toBe(0);
  pass(1);
  const counts = [allowed(slowStart)];
  for (let tenth = 1; tenth < 10; tenth += 1) {
    pass(95.000_1);
    counts.push(allowed(slowStart));
  }
  expect(counts).toEqual([1, 1, 3, 5, 7, 9, 11, 13, 15, 17]);
  pass(95.000_1);
  expect(allowed(slowStart)).toBe(10_000);
});

test('the only one moves after 100 ms', () => {
  const { slowStart, pass } = begun(1);
  pass(100);
  expect(slowStart.wait).toBe(0);
});

test('tells how long to wait for the next', () => {
  const { slowStart, pass } = begun(4, 1_100);
  slowStart.moves();
  expect(slowStart.wait).toBeCloseTo(100 + 475);
  pass(20);
  expect(slowStart.wait).toBeCloseTo(80 + 475);
});

test('all have moved within 2 s, however long the window is, and none before the 100 ms, however short', () => {
  const long = begun(64, 60_000);
  long.pass(1_906);
  expect(allowed(long.slowStart)).toBeGreaterThanOrEqual(64);
  const short = begun(64, 50);
  short.pass(99);
  expect(allowed(short.slowStart)).toBe(0);
  short.pass(1);
  expect(allowed(short.slowStart)).toBe(10_000);
});

test('who hurries waits for nothing', () => {
  const { slowStart } = begun(100);
  slowStart.hurry();
  expect(allowed(slowStart)).toBe(10_000);
});

test('a connection rests that has been silent since the restart began', () => {
  const silent = { bytesRead: 10 } as Socket;
  const talkative = { bytesRead: 10 };
  const servers = [{ sockets: new Set([silent, talkative]) } as unknown as TrackedServer];
  const slowStart = new SlowStart(realWorld, servers, 2_000);
  talkative.bytesRead += 1;
  expect(slowStart.rests(silent)).toBe(true);
  expect(slowStart.rests(talkative as Socket)).toBe(false);
  expect(slowStart.rests({ bytesRead: 0 } as Socket)).toBe(false);
});
