// What a slot makes of the messages of its processes when they come at the worst moment. The processes are made up.
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { ProcessEnd } from '../exit-codes.js';
import type { Release } from '../program/program.js';
import { HeldSockets } from '../supervisor/held-sockets.js';
import type { FromWorker } from './messages.js';
import { Slot } from './slot.js';
import { Worker, type WorkerEvents, type WorkerState } from './worker.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });
});

/** Lets everything happen that is due within so many milliseconds. */
const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

const release = (id: number) => ({ id, options: [] as string[] }) as unknown as Release;

/** A slot whose first process serves, with every process that it has started and the signals that they got. */
async function serving() {
  const started: Worker[] = [];
  const signals: string[] = [];
  const state = { stopping: false };
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
  const slot = new Slot(0, {
    log: { info: () => {} },
    sockets: new HeldSockets({ added: () => {}, known: () => {}, dropped: () => {} }),
    startTimeout: 10_000,
    count: () => 1,
    release: () => release(1),
    stopping: () => state.stopping,
    respawns: true,
    ready: () => {},
    exited: () => {},
    restartAll: async () => {},
  });
  const says = (worker: Worker | undefined, message: FromWorker) =>
    events.message(worker as Worker, message, undefined);
  const exits = (worker: Worker | undefined, end: ProcessEnd) => {
    (worker as Worker).state = 'gone';
    events.exit(worker as Worker, end);
  };
  const isReady = (worker: Worker | undefined) => says(worker, { type: 'ready', generation: 0, hammerTime: 60_000 });
  /** Begins a restart, and starts its candidate. */
  const restart = async () => {
    const over = slot.restart(release(2));
    over.catch(() => {});
    says(slot.current, { type: 'spawn', id: 1, handoff: '{}', restart: {} });
    await pass();
    return { over, old: slot.current, candidate: slot.candidate };
  };
  const stop = () => {
    state.stopping = true;
    slot.stop('SIGTERM');
  };
  await slot.start();
  isReady(started[0]);
  // It has served for so long that another process starts at once.
  await pass(2_000);
  return { slot, started, signals, says, exits, isReady, restart, stop };
}

const SHUTDOWN = { type: 'draining', reason: 'shutdown', deadline: 60_000 } as const;

test('a worker that drains gets the signal of a stop only if it has got none', async () => {
  const { started, signals, says, isReady, stop } = await serving();
  says(started[0], { ...SHUTDOWN, bySignal: true });
  await pass(300);
  isReady(started[1]);
  // Its program has called `endless.shutdown()`: it exits by a signal alone.
  says(started[1], { ...SHUTDOWN, bySignal: false });
  await pass(2_000);
  isReady(started[2]);
  stop();
  expect(signals).toEqual(['SIGTERM to 2', 'SIGTERM to 3']);
});

test('a candidate that serves only after a stop has begun gets its signal too', async () => {
  const { signals, isReady, restart, stop } = await serving();
  const { candidate } = await restart();
  stop();
  expect(signals).toEqual(['SIGTERM to 1']);
  isReady(candidate);
  expect(signals).toEqual(['SIGTERM to 1', 'SIGTERM to 2']);
});

test('a worker that rolls back after a stop has begun gets its signal too', async () => {
  const { signals, says, isReady, restart, stop } = await serving();
  const { old, candidate } = await restart();
  isReady(candidate);
  stop();
  expect(signals).toEqual(['SIGTERM to 2']);
  says(old, { type: 'rolled-back', pid: 2, message: 'why' });
  expect(signals).toEqual(['SIGTERM to 2', 'SIGTERM to 1']);
});

test('another process starts at once if a candidate exits just before the commit', async () => {
  const { slot, started, says, exits, isReady, restart } = await serving();
  const { over, old, candidate } = await restart();
  isReady(candidate);
  exits(candidate, { code: 7, signal: null });
  says(old, { type: 'committed', pid: 2, moved: 0 });
  says(old, { type: 'draining', reason: 'restart', deadline: 60_000 });
  await expect(over).rejects.toThrow('had handed over to a process that exited');
  expect(started).toHaveLength(3);
  expect(slot.current).toBe(started[2]);
});

test('another process starts if a candidate drains by a signal of its own before the commit', async () => {
  const { slot, started, says, isReady, restart } = await serving();
  const { over, old, candidate } = await restart();
  isReady(candidate);
  says(candidate, { ...SHUTDOWN, bySignal: true });
  says(old, { type: 'committed', pid: 2, moved: 0 });
  says(old, { type: 'draining', reason: 'restart', deadline: 60_000 });
  expect(await over).toMatchObject({ pid: 2 });
  await pass(300);
  expect(started).toHaveLength(3);
  expect(slot.current).toBe(started[2]);
});

test('a worker gets the signal of two stops once', async () => {
  const { slot, signals, stop } = await serving();
  slot.retire('SIGTERM');
  stop();
  expect(signals).toEqual(['SIGTERM to 1']);
});
