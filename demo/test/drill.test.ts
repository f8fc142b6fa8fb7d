import { expect, test } from 'vitest';
import { type DrillResult, unnoticed } from '../src/drill.js';

const result = (lost: number, keptAlive: number): DrillResult => ({
  variant: 'endless',
  elapsedMs: 13_000,
  requests: 20_000,
  lost,
  answers: new Map(),
  generations: [],
  opened: { keptAlive, fresh: 5_000 },
  lostBy: new Map(),
});

test('a drill goes unnoticed only without a loss and with one connection for each client that keeps its own', () => {
  expect(unnoticed(result(0, 32))).toBe(true);
  expect(unnoticed(result(1, 32))).toBe(false);
  expect(unnoticed(result(0, 33))).toBe(false);
  // A client that never connected has not been served.
  expect(unnoticed(result(0, 31))).toBe(false);
});
