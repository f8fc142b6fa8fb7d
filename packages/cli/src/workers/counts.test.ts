import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Counts } from './counts.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
});

afterEach(() => {
  vi.useRealTimers();
});

const COUNTS = { connections: 3, upgraded: 1, requests: 1, loop: 0.5 };

test('a process is asked once for all that want its counts now', async () => {
  const ask = vi.fn();
  const counts = new Counts(ask);
  const both = Promise.all([counts.now(), counts.now()]);
  counts.answer(COUNTS);
  expect([await both, ask.mock.calls.length]).toEqual([[COUNTS, COUNTS], 1]);
});

test('a process that does not answer is waited for once, and asked again once it has answered', async () => {
  const ask = vi.fn();
  const counts = new Counts(ask);
  const first = counts.now();
  await vi.advanceTimersByTimeAsync(600);
  expect(await first).toBeUndefined();
  expect(await counts.now()).toBeUndefined();
  expect(ask).toHaveBeenCalledTimes(1);
  counts.answer(COUNTS);
  const next = counts.now();
  expect(ask).toHaveBeenCalledTimes(2);
  counts.answer({ ...COUNTS, requests: 2 });
  expect(await next).toMatchObject({ requests: 2 });
});

test('a process that exits is not waited for', async () => {
  const counts = new Counts(() => {});
  const asked = counts.now();
  counts.answer();
  expect(await asked).toBeUndefined();
});
