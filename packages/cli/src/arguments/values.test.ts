import { expect, test } from 'vitest';
import { LONGEST, parseLimit, parseTime } from './values.js';

test.each([
  ['500ms', 500],
  ['30', 30_000],
  ['1.5m', 90_000],
  ['0', 0],
])('the time %s is %i ms', (text, ms) => {
  expect(parseTime(text)).toBe(ms);
});

test.each(['', '5 s', '-1s', '1d', '597h'])('the time "%s" is refused', (text) => {
  expect(() => parseTime(text)).toThrow(/time/);
});

test('0 means that there is no limit: `--start-timeout 0` kills no start', () => {
  expect([parseLimit('0'), parseLimit('2s')]).toEqual([LONGEST, 2_000]);
});
