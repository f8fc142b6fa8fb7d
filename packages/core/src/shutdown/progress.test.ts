import { expect, test } from 'vitest';
import { realWorld } from '../real-world.js';
import type { World } from '../world.js';
import { type Left, ProgressLine } from './progress.js';

/** A terminal, and a clock that is moved by hand. */
function terminal(columns: number | undefined) {
  let now = 0;
  const timers = new Set<{ at: number; every?: number; fn: () => void }>();
  const add = (timer: { at: number; every?: number; fn: () => void }) => {
    timers.add(timer);
    return () => void timers.delete(timer);
  };
  let written = '';
  const world: World = {
    ...realWorld,
    pid: 4711,
    columns: () => columns,
    writeError: (text) => {
      written += text;
    },
    after: (ms, fn) => add({ at: now + ms, fn }),
    every: (ms, fn) => add({ at: now + ms, every: ms, fn }),
  };
  const pass = (ms: number) => {
    for (const end = now + ms; now < end; ) {
      now += 10;
      for (const timer of [...timers].filter(({ at }) => at <= now)) {
        if (timer.every === undefined) timers.delete(timer);
        else timer.at = now + timer.every;
        timer.fn();
      }
    }
  };
  return { line: new ProgressLine(world), pass, written: () => written, timers };
}

const left: Left = { requests: 1, connections: 3, holds: 0, comesMore: false, hammerIn: 58_200 };
const ERASE = '\r\x1b[K';

test('a drain of up to a second shows nothing', () => {
  const { line, pass, written, timers } = terminal(80);
  line.begin(() => left);
  pass(990);
  line.end();
  pass(2_000);
  expect([written(), timers.size]).toEqual(['', 0]);
});

test('a longer one is written in place, and taken away at its end', () => {
  const { line, pass, written, timers } = terminal(80);
  let { requests } = { requests: 2 };
  line.begin(() => ({ ...left, requests: requests-- }));
  pass(1_250);
  line.end();
  const shown = (text: string) =>
    `${ERASE}endless 4711 waits for ${text}, 3 connections; force-close in 59 s`;
  expect(written()).toBe(`${shown('2 requests')}${shown('1 request')}${ERASE}`);
  expect(timers.size).toBe(0);
});

test('holds, an older process and the absence of a deadline are told, and a narrow terminal gets what fits', () => {
  const wide = terminal(120);
  wide.line.begin(() => ({ ...left, holds: 1, hammerIn: -1 }));
  wide.pass(1_000);
  expect(wide.written()).toBe(`${ERASE}endless 4711 waits for 1 request, 3 connections, 1 hold; no deadline`);
  const second = terminal(120);
  second.line.begin(() => ({ requests: 0, connections: 0, holds: 0, comesMore: true, hammerIn: 5_000 }));
  second.pass(1_000);
  expect(second.written()).toBe(
    `${ERASE}endless 4711 waits for 0 requests, 0 connections, an older process; force-close in 5 s`,
  );
  const narrow = terminal(20);
  narrow.line.begin(() => left);
  narrow.pass(1_000);
  expect(narrow.written()).toBe(`${ERASE}endless 4711 waits `);
});

test('a log line takes its place, once', () => {
  const { line, pass, written } = terminal(80);
  line.begin(() => left);
  expect(line.erase()).toBe('');
  pass(1_000);
  expect([line.erase(), line.erase()]).toEqual([ERASE, '']);
  line.end();
  expect(written().endsWith('58 s') || written().endsWith('59 s')).toBe(true);
});

test('without a terminal nothing is written, and no timer runs', () => {
  const { line, pass, written, timers } = terminal(undefined);
  line.begin(() => left);
  expect(timers.size).toBe(0);
  pass(5_000);
  line.end();
  expect(written()).toBe('');
});
