import { expect, test } from 'vitest';
import { couldAnswer, isStopped, threadOf } from './thread.js';

const before = { state: 'R', ranMs: 1_000, waitedMs: 500 };
const after = (state: string, ranMs: number, waitedMs: number) => ({
  ...{ state, ranMs: before.ranMs + ranMs, waitedMs: before.waitedMs + waitedMs },
});

test.each([
  ['runs all the time', after('R', 5_000, 0), 5_000],
  ['runs and has to wait for half of the time', after('R', 2_500, 2_500), 2_500],
  ['waits for a CPU, which the kernel has not counted yet', after('R', 3, 0), 3],
  ['is stopped by a signal', after('T', 100, 0), 0],
  ['is stopped by a debugger', after('t', 0, 0), 0],
  ['sleeps in a system call', after('S', 0, 0), 5_000],
  ['waits for a disk', after('D', 10, 0), 5_000],
  ['sleeps, and has waited for a CPU before', after('S', 10, 4_000), 1_000],
  ['is not shown by the system', undefined, 5_000],
])('a thread that %s could answer for a part of 5 s', (_, now, part) => {
  expect(couldAnswer(5_000, before, now)).toBe(part);
});

test.runIf(process.platform === 'linux')(
  'the main thread of this process runs, and of no process is nothing',
  () => {
    const thread = threadOf(process.pid);
    expect(thread).toMatchObject({ state: 'R' });
    expect(thread?.ranMs).toBeGreaterThan(0);
    expect(thread && isStopped(thread)).toBe(false);
    expect(threadOf(2 ** 30)).toBeUndefined();
  },
);
