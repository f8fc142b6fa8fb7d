import { expect, test } from 'vitest';
import { giveUpAfter } from './give-up.js';

test.each([
  [1_000, 60_000],
  [60_000, 60_000],
  [300_000, 300_000],
])('a run whose starts may take %i ms is given up after %i ms without a ready worker', (start, giveUp) => {
  expect(giveUpAfter(start)).toBe(giveUp);
});
