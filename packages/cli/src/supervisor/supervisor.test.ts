// What a supervisor makes of processes that end at the worst moment. The processes are made up.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { madeUpProcesses } from '../../test/made-up-processes.js';
import type { Program, Release } from '../program/program.js';
import type { Worker } from '../workers/worker.js';
import { Supervisor } from './supervisor.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets everything happen that is due within so many milliseconds. */
const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

/** A supervisor that has begun, every process that it has started, and the signals that they got. */
async function supervised() {
  const { started, signals, says, exits } = madeUpProcesses();
  const release = { id: 1, options: [] as string[] } as unknown as Release;
  const log = { info: () => {} };
  const supervisor = new Supervisor({
    ...{ program: { resolve: () => release } as unknown as Program, workers: 1 },
    ...{ startTimeout: 60_000, giveUp: 60_000, watches: false, log, restartLog: log },
  });
  supervisor.start();
  await pass();
  const drains = (worker: Worker | undefined) =>
    says(worker, { type: 'draining', reason: 'shutdown', deadline: 60_000 });
  return { supervisor, started, signals, exits, drains };
}

test('a first start that fails ends the run, also if another process has been started meanwhile', async () => {
  const { supervisor, started, signals, exits, drains } = await supervised();
  // Its program stops by itself before it serves, and takes its time.
  drains(started[0]);
  await pass(2_000);
  expect(started).toHaveLength(2);
  exits(started[0], { code: 3, signal: null });
  expect(signals).toEqual(['SIGTERM to 2']);
  exits(started[1], { code: 0, signal: null });
  expect(await supervisor.ended).toBe(3);
});
