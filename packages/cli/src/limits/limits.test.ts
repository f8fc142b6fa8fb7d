import { expect, test } from 'vitest';
import { sampleInterval } from './limits.js';

test.each([
  ['100', 100],
  [undefined, 5_000],
  ['', 5_000],
  ['abc', 5_000],
  ['-1', 5_000],
  ['0', 5_000],
  ['Infinity', 5_000],
  ['1e99', 5_000],
])('with ENDLESS_SAMPLE_INTERVAL=%s the supervisor looks every %i ms', (given, ms) => {
  expect(sampleInterval(given)).toBe(ms);
});
