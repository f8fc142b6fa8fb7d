import { expect, test } from 'vitest';
import type { Status, WorkerStatus } from '../control/status.js';
import { tableOf } from './table.js';

const GIBIBYTE = 1_024 ** 3;
const DAY = 86_400_000;
const NOTHING = { connections: null, upgraded: null, requests: null, loop: null };

const ready: WorkerStatus = {
  state: 'ready',
  ...{ index: 0, pid: 4_194_304, generation: 120, uptimeMs: 400 * DAY, rss: 9 * GIBIBYTE },
  ...{ connections: 65_000, upgraded: 60_000, requests: 12_000, loop: 1 },
  restarts: { crash: 1_000, memory: 0, age: 0, stall: 0 },
  ...{ nextStartMs: null, lastExit: null },
};
const waiting: WorkerStatus = {
  state: 'waiting',
  ...{ index: 1, pid: null, generation: null, uptimeMs: null, rss: null },
  ...NOTHING,
  restarts: { crash: 3, memory: 0, age: 0, stall: 0 },
  ...{ nextStartMs: 29_900, lastExit: { code: 1, signal: null, at: null } },
};
const status: Status = {
  state: 'degraded',
  ...{ pid: 1, version: '0.1.0', node: 'v24.0.0', script: 'server.js' },
  ...{ release: '/app/server.js', generation: 120, startedAt: new Date(0).toISOString() },
  workers: { target: 2, ready: 1, old: 0 },
  addresses: [{ address: '[::]:9090', queue: 0, backlog: 511 }],
  worker: [ready, waiting],
  draining: [
    {
      index: 0,
      pid: 17,
      generation: 119,
      connections: 2,
      upgraded: 0,
      requests: 1,
      loop: 0.004,
      hammerMs: 9,
    },
  ],
  lastRestart: null,
};

test('a status with the longest values has at most 100 columns', () => {
  const lines = tableOf(status).split('\n');
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(100);
  expect(lines.filter((line) => / $/.test(line))).toEqual([]);
});

test('a status shows a row for each worker and each process that drains, and what is unknown as -', () => {
  const [first, ...rows] = tableOf(status).split('\n');
  expect(first).toBe('/app/server.js is degraded: pid 1, 1 of 2 workers ready, on [::]:9090');
  expect(rows.map((row) => row.split(/ {2,}/))).toEqual([
    ['worker', 'pid', 'generation', 'state', 'up', 'memory', 'loop', 'connections', 'requests', 'crashes'],
    ['0', '4194304', '120', 'ready', '400 d', '9216 MiB', '100 %', '65000', '12000', '1000'],
    ['1', '-', '-', 'waiting 30 s', '-', '-', '-', '-', '-', '3'],
    ['0', '17', '119', 'draining', '-', '-', '0 %', '2', '1', '-'],
    [''],
  ]);
});

test.each([
  [900, '0.9 s'],
  [119_000, '119 s'],
  [120_000, '2 m'],
  [7_200_000, '2 h'],
  [2 * DAY, '2 d'],
])('an uptime of %i ms is shown as %s', (uptimeMs, shown) => {
  expect(tableOf({ ...status, worker: [{ ...ready, uptimeMs }] })).toContain(` ${shown} `);
});
