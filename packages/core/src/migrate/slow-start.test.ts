import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { TrackedServer } from '../drain/tracked-server.js';
import { realWorld } from '../world.js';
import { SlowStart } from './slow-start.js';

function begun({ hammerTime = 60_000, sockets = [] as Socket[] } = {}) {
  let now = 1_000;
  const servers = [{ sockets: new Set(sockets) } as unknown as TrackedServer];
  const slowStart = new SlowStart({ ...realWorld, now: () => now }, servers, hammerTime);
  slowStart.begin();
  return { slowStart, pass: (ms: number) => (now += ms) };
}

/** How many may move now. */
function allowed(slowStart: SlowStart): number {
  let count = 0;
  for (; slowStart.wait === 0 && count < 10_000; count += 1) slowStart.moves();
  return count;
}

test('twice as many every 50 ms', () => {
  const { slowStart, pass } = begun();
  expect(allowed(slowStart)).toBe(1);
  pass(25);
  expect(allowed(slowStart)).toBe(0);
  pass(25);
  expect(allowed(slowStart)).toBe(1);
  pass(50);
  expect(allowed(slowStart)).toBe(2);
  pass(400);
  expect(allowed(slowStart)).toBe(1_020);
});

test('tells how long to wait for the next', () => {
  const { slowStart, pass } = begun();
  slowStart.moves();
  expect(slowStart.wait).toBeCloseTo(50);
  pass(20);
  expect(slowStart.wait).toBeCloseTo(30);
});

test('who hurries waits for nothing', () => {
  const { slowStart } = begun();
  slowStart.hurry();
  expect(allowed(slowStart)).toBe(10_000);
});

test('it takes at most an eighth of the hammer time', () => {
  const short = begun({ hammerTime: 800 });
  expect(allowed(short.slowStart)).toBe(1);
  short.pass(99);
  expect(allowed(short.slowStart)).toBeLessThan(10);
  short.pass(1);
  expect(allowed(short.slowStart)).toBe(10_000);
  expect(allowed(begun({ hammerTime: 0 }).slowStart)).toBe(10_000);
  expect(allowed(begun({ hammerTime: -1 }).slowStart)).toBe(1);
});

test('a connection is at rest that has been silent since the restart began', () => {
  const silent = { bytesRead: 10 } as Socket;
  const talkative = { bytesRead: 10 };
  const { slowStart } = begun({ sockets: [silent, talkative as Socket] });
  talkative.bytesRead += 1;
  expect(slowStart.rests(silent)).toBe(true);
  expect(slowStart.rests(talkative as Socket)).toBe(false);
  expect(slowStart.rests({ bytesRead: 0 } as Socket)).toBe(false);
});
