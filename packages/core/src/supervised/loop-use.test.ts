import { expect, test } from 'vitest';
import type { World } from '../world.js';
import { LoopUse } from './loop-use.js';

test('the event loop is as busy as it was since the last ping but one', () => {
  let time = { idle: 0, active: 0 };
  const use = new LoopUse({ loopTime: () => time } as World);
  expect(use.busy).toBe(0);
  time = { idle: 100, active: 900 };
  expect(use.busy).toBe(0.9);
  use.sample();
  expect(use.busy).toBe(0.9);
  time = { idle: 1_100, active: 900 };
  use.sample();
  expect(use.busy).toBe(0);
  time = { idle: 1_100, active: 1_400 };
  expect(use.busy).toBe(0.333);
});
