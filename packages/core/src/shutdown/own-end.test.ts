import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import type { OwnListeners } from '../signals/own-listeners.js';
import type { World } from '../world.js';
import { OwnEnd, type OwnEndContext } from './own-end.js';
import type { Shutdown } from './shutdown.js';

test('own listeners that are due get a second, also where the deadline passed while older processes were waited for', () => {
  const waits: number[] = [];
  const world = {
    signals: new EventEmitter(),
    after: (ms: number) => waits.push(ms),
    turn() {},
  } as unknown as World;
  const listeners = { count: () => 1, run() {}, watchRaises() {} } as unknown as OwnListeners;
  const context = { world, listeners, settings: { current: { ownListeners: true, signals: {} } } };
  const ownEnd = new OwnEnd(context as unknown as OwnEndContext);
  let exits = 0;
  const ending = { reason: 'restart', hammered: false, left: 0, whenLate: (fn: () => void) => fn() };
  ownEnd.begin(ending as unknown as Shutdown, () => {
    exits += 1;
  });
  expect(waits).toEqual([1_000]);
  expect(exits).toBe(0);
});
