// What a supervisor makes of processes that end at the worst moment. The processes are made up.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Program, Release } from '../program/program.js';
import { Worker, type WorkerEvents, type WorkerState } from '../workers/worker.js';
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
  const started: Worker[] = [];
  const signals: string[] = [];
  let events = {} as WorkerEvents;
  vi.spyOn(Worker, 'start').mockImplementation(async (start, given) => {
    events = given;
    const pid = started.length + 1;
    const worker = Object.assign(Object.create(Worker.prototype) as Worker, {
      ...{ pid, index: start.index, generation: start.generation, release: start.release },
      ...{ state: 'starting' as WorkerState, hammerTime: 60_000, stopsAlone: false, signalled: false },
      pulse: { doomed: false },
      kill: (signal: NodeJS.Signals) => void signals.push(`${signal} to ${pid}`),
      send: () => {},
      later: (ms: number, act: () => void) => void setTimeout(act, ms),
    });
    started.push(worker);
    return worker;
  });
  const release = { id: 1, options: [] as string[] } as unknown as Release;
  const log = { info: () => {} };
  const supervisor = new Supervisor({
    ...{ program: { resolve: () => release } as unknown as Program, workers: 1 },
    ...{ startTimeout: 60_000, giveUp: 60_000, watches: false, log, restartLog: log },
  });
  supervisor.start();
  await pass();
  const exits = (worker: Worker | undefined, code: number) => {
    (worker as Worker).state = 'gone';
    events.exit(worker as Worker, { code, signal: null });
  };
  const drains = (worker: Worker | undefined) =>
    events.message(worker as Worker, { type: 'draining', reason: 'shutdown', deadline: 60_000 }, undefined);
  return { supervisor, started, signals, exits, drains };
}

test('a first start that fails ends the run, also if another process has been started meanwhile', async () => {
  const { supervisor, started, signals, exits, drains } = await supervised();
  // Its program stops by itself before it serves, and takes its time.
  drains(started[0]);
  await pass(2_000);
  expect(started).toHaveLength(2);
  exits(started[0], 3);
  expect(signals).toEqual(['SIGTERM to 2']);
  exits(started[1], 0);
  expect(await supervisor.ended).toBe(3);
});
