import { InvalidArgumentError } from 'commander';
import { expect, test } from 'vitest';
import { parseSize } from './size.js';

test.each([
  ['300M', 300 * 1_024 ** 2],
  ['1.5g', 1.5 * 1_024 ** 3],
  ['512KiB', 512 * 1_024],
  ['2GB', 2 * 1_024 ** 3],
  ['40%', 400],
  ['0.5%', 5],
  ['100%', 1_000],
  ['0', 0],
])('the size %s is %i bytes', (text, bytes) => {
  expect(parseSize(text, () => 1_000)).toBe(bytes);
});

test.each(['', '300', '-1M', '0M', '0%', '101%', '1.M', '1 G', 'M', '5X', '1e3M', '10%M', 'none'])(
  'the size "%s" is refused with the way to write it',
  (text) => {
    expect(() => parseSize(text)).toThrow(InvalidArgumentError);
    expect(() => parseSize(text)).toThrow('Write a size as 300M or 1.5G');
  },
);
