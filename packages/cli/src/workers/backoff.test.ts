import { expect, test } from 'vitest';
import { Backoff } from './backoff.js';

test('a worker that was never ready waits 1, 2, 4 … 30 s', () => {
  const backoff = new Backoff(() => 0.5);
  const waits = Array.from({ length: 7 }, () => backoff.next(undefined));
  expect(waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test('a worker that was ready for 1 s waits not at all, and after 30 s the waits begin again with the first', () => {
  const backoff = new Backoff(() => 0.5);
  expect([undefined, 999, 1_000, undefined].map((ready) => backoff.next(ready))).toEqual([
    1_000, 2_000, 0, 4_000,
  ]);
  expect([30_000, undefined].map((ready) => backoff.next(ready))).toEqual([0, 1_000]);
});

test('the waits are spread by 20 %', () => {
  expect([0, 0.999999].map((chance) => new Backoff(() => chance).next(undefined))).toEqual([800, 1_200]);
});
