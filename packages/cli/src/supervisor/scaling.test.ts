import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker as Thread } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Slot } from '../workers/slot.js';
import { scaleTo } from './scaling.js';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});

afterEach(() => {
  vi.useRealTimers();
});

/** Two workers, of which the second has crashed before. */
function twoWorkers() {
  const slots = [0, 9].map((crash) => ({ ready: crash === 0, replacedBy: { crash } }));
  const state = { allGone: true };
  const context = {
    ...{ target: 2, stopping: false, slots: slots as unknown as Slot[], setTarget: () => {} },
    get ready() {
      return slots.filter(({ ready }) => ready).length;
    },
    get allGone() {
      return state.allGone;
    },
  };
  const [, second] = slots as [object, { ready: boolean; replacedBy: { crash: number } }];
  let ended = false;
  const report = scaleTo(2, 60_000, context).finally(() => {
    ended = true;
  });
  return { second, state, report, ended: () => ended };
}

/** Longer than it takes until a change looks again. */
const looksAgain = () => new Promise((resolve) => setTimeout(resolve, 120));

test('the number that is wanted already is done once all are ready', async () => {
  const { second, report, ended } = twoWorkers();
  await looksAgain();
  expect(ended()).toBe(false);
  second.ready = true;
  expect(await report).toEqual({ exitCode: 0, line: '2 of 2 workers are ready' });
});

test('it is done only once the workers are gone that an earlier change has retired', async () => {
  const { second, state, report, ended } = twoWorkers();
  Object.assign(state, { allGone: false });
  second.ready = true;
  vi.advanceTimersByTime(61_000);
  await looksAgain();
  expect(ended()).toBe(false);
  state.allGone = true;
  expect(await report).toEqual({ exitCode: 0, line: '2 of 2 workers are ready' });
});

test('it counts a worker that became ready while this process was blocked', async () => {
  const { second, report } = twoWorkers();
  const says = 'setTimeout(() => require("node:worker_threads").parentPort.postMessage("ready"), 20)';
  const other = new Thread(says, { eval: true });
  other.once('message', () => {
    second.ready = true;
  });
  await once(other, 'online');
  vi.advanceTimersByTime(61_000);
  // Timers are next: what comes during the block is read after them.
  await turn();
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  expect(await report).toEqual({ exitCode: 0, line: '2 of 2 workers are ready' });
});

const PARTLY = { exitCode: 4, line: '1 of 2 workers are ready: the others start again' };

test('it ends with code 4 if the others are not ready in time', async () => {
  const { report } = twoWorkers();
  vi.advanceTimersByTime(61_000);
  expect(await report).toEqual(PARTLY);
});

test('it ends with code 4 if the others crash three more times', async () => {
  const { second, report, ended } = twoWorkers();
  second.replacedBy.crash += 2;
  await looksAgain();
  expect(ended()).toBe(false);
  second.replacedBy.crash += 1;
  expect(await report).toEqual(PARTLY);
});
