// What a slot makes of the messages of its processes when they come at the worst moment. The processes are made up.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { madeUpProcesses } from '../../test/made-up-processes.js';
import type { ProcessEnd } from '../process-end.js';
import type { Release } from '../program/program.js';
import { HeldSockets } from '../supervisor/held-sockets.js';
import { Searches } from './searches.js';
import { Slot } from './slot.js';
import type { Worker } from './worker.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** Lets everything happen that is due within so many milliseconds. */
const pass = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

const release = (id: number) => ({ id, options: [] as string[] }) as unknown as Release;

/** A slot whose first process serves, with every process that it has started and the signals that they got. */
async function serving(startTimeout = 10_000) {
  const { started, signals, says, exits } = madeUpProcesses();
  const state = { stopping: false };
  const sockets = new HeldSockets({ added: () => {}, known: () => {}, dropped: () => {} });
  const slot = new Slot(0, {
    log: { info: () => {} },
    sockets,
    searches: new Searches(() => []),
    startTimeout,
    count: () => 1,
    release: () => release(1),
    stopping: () => state.stopping,
    respawns: true,
    ready: () => {},
    exited: () => {},
    restartAll: async () => {},
  });
  const listens = (worker: Worker | undefined, ...ports: number[]) => {
    for (const port of ports)
      says(
        worker,
        { type: 'listening', asked: { port }, bound: { address: '::', port } },
        { fd: port, close: () => {} },
      );
  };
  /** The ports that the supervisor holds. */
  const held = () => sockets.all().map(({ handle }) => handle.fd);
  const isReady = (worker: Worker | undefined) =>
    says(worker, { type: 'ready', generation: 0, hammerTime: 60_000 });
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
  return { slot, started, signals, says, listens, held, exits, isReady, restart, stop };
}

const SHUTDOWN = { type: 'draining', reason: 'shutdown', deadline: 60_000 } as const;

test('a worker that drains gets the signal of a stop only if it has got none', async () => {
  const { started, signals, says, isReady, stop } = await serving();
  (started[0] as Worker).signalled = true;
  says(started[0], SHUTDOWN);
  await pass(300);
  isReady(started[1]);
  // Its program has called `endless.shutdown()`: it exits by a signal alone.
  says(started[1], SHUTDOWN);
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
  await pass();
  expect(started).toHaveLength(3);
  expect(slot.current).toBe(started[2]);
});

test('another process starts if a candidate drains by a signal of its own before the commit', async () => {
  const { slot, started, says, isReady, restart } = await serving();
  const { over, old, candidate } = await restart();
  isReady(candidate);
  (candidate as Worker).signalled = true;
  says(candidate, SHUTDOWN);
  says(old, { type: 'committed', pid: 2, moved: 0 });
  says(old, { type: 'draining', reason: 'restart', deadline: 60_000 });
  expect(await over).toBe(2);
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

test('a process that does not answer a stop is killed 2 s after its `hammerTime`', async () => {
  const { signals, stop } = await serving();
  stop();
  await pass(61_999);
  expect(signals).toEqual(['SIGTERM to 1']);
  await pass(1);
  expect(signals).toEqual(['SIGTERM to 1', 'SIGKILL to 1']);
});

const CRASH: ProcessEnd = { code: null, signal: 'SIGKILL' };
const EXIT: ProcessEnd = { code: 0, signal: null };

test('an address of a crashed process stays until the next has had the time of a start to open it', async () => {
  const { started, listens, held, exits, isReady } = await serving();
  listens(started[0], 80, 81);
  exits(started[0], CRASH);
  await pass();
  isReady(started[1]);
  listens(started[1], 80);
  await pass(9_000);
  expect(held()).toEqual([80, 81]);
  // A crash of the next one keeps what that one served.
  exits(started[1], CRASH);
  await pass(1_000);
  expect(held()).toEqual([80]);
  isReady(started[2]);
  await pass(10_000);
  expect(held()).toEqual([]);
});

test('an address of a crashed process is given up after a minute where a start may take for ever', async () => {
  const { started, listens, held, exits, isReady } = await serving(2 ** 31 - 1);
  listens(started[0], 80, 81);
  exits(started[0], CRASH);
  await pass();
  isReady(started[1]);
  listens(started[1], 80);
  await pass(59_000);
  expect(held()).toEqual([80, 81]);
  await pass(1_000);
  expect(held()).toEqual([80]);
});

test('an address that a new release does not open is given up as the old process drains', async () => {
  const { says, listens, held, exits, isReady, restart } = await serving();
  const { old, candidate } = await restart();
  listens(old, 80, 81);
  listens(candidate, 80);
  isReady(candidate);
  says(old, { type: 'committed', pid: 2, moved: 0 });
  expect(held()).toEqual([80, 81]);
  says(old, { type: 'draining', reason: 'restart', deadline: 60_000 });
  expect(held()).toEqual([80]);
  exits(old, EXIT);
  expect(held()).toEqual([80]);
});

test('an address of a worker that goes away is given up as it drains', async () => {
  const { slot, says, listens, held } = await serving();
  listens(slot.current, 80);
  slot.retire('SIGTERM');
  expect(held()).toEqual([80]);
  says(slot.current, SHUTDOWN);
  expect(held()).toEqual([]);
});

test('an address that only an old process served is given up after its crash in the rollback window', async () => {
  const { listens, held, exits, isReady, restart } = await serving();
  const { over, old, candidate } = await restart();
  listens(old, 80, 81);
  listens(candidate, 80);
  isReady(candidate);
  exits(old, CRASH);
  expect(await over).toBe(2);
  expect(held()).toEqual([80, 81]);
  await pass(10_000);
  expect(held()).toEqual([80]);
});

test('an address of a process that stops by itself stays while the next one starts', async () => {
  const { started, says, listens, held, exits, isReady } = await serving();
  listens(started[0], 80, 81);
  says(started[0], SHUTDOWN);
  await pass(300);
  isReady(started[1]);
  listens(started[1], 80);
  exits(started[0], EXIT);
  expect(held()).toEqual([80, 81]);
  await pass(10_000);
  expect(held()).toEqual([80]);
});
