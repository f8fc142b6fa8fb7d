import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Lock } from '../supervisor/lock.js';
import type { Slot } from '../workers/slot.js';
import type { Worker } from '../workers/worker.js';
import { Recycler } from './recycler.js';

/** A slot whose process is older than any limit, and whose restart leaves the old one draining. */
function oldSlot(index: number, restarted: number[]): Slot {
  const old = { pid: index, readyAt: -1_000_000 } as Worker;
  const slot = {
    ...{ index, ready: true, current: old, living: new Set([old]), replacedBy: { memory: 0, age: 0 } },
    async restart() {
      restarted.push(index);
      slot.current = { pid: 10 + index, readyAt: performance.now() } as Worker;
      slot.living.add(slot.current);
      return slot.current.pid;
    },
  };
  return slot as unknown as Slot;
}

test('the next worker is replaced only once the old process of the last one has exited', async () => {
  const restarted: number[] = [];
  const slots = [oldSlot(0, restarted), oldSlot(1, restarted)];
  const supervisor = { slots, lock: new Lock(), stopping: false };
  const recycler = new Recycler(supervisor, { maxMemory: 0, maxAge: 1_000 }, { info: () => {} });
  const recycle = async () => {
    recycler.recycle();
    await setImmediate();
  };
  const old = slots[0]?.current as Worker;
  await recycle();
  await recycle();
  expect(restarted).toEqual([0]);
  slots[0]?.living.delete(old);
  await recycle();
  expect(restarted).toEqual([0, 1]);
});
