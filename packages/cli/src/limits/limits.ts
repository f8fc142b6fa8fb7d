import type { Log } from '../print/log.js';
import { type Recycled, Recycler, type Size } from './recycler.js';
import { StallWatch } from './stall.js';

/** The limits of each worker; times are milliseconds. */
export interface Limits extends Size {
  /** For how long an event loop may answer no ping; 0: for ever. */
  stall: number;
}

/** Milliseconds between two looks at the memory of the workers. */
const SAMPLE_INTERVAL = 5_000;
/** A stalled process has left so many pings without an answer. */
const PINGS = 6;

/** The milliseconds between two looks at the memory of the workers: tests shorten them, and nothing else does. */
export function sampleInterval(given: string | undefined): number {
  const ms = Number(given);
  return ms >= 1 && ms < SAMPLE_INTERVAL ? ms : SAMPLE_INTERVAL;
}

/** Pings the workers, and enforces their limits. `interval`: how often their memory is looked at. */
export function enforceLimits(supervisor: Recycled, limits: Limits, interval: number, log: Log): void {
  const { stall } = limits;
  const beat = Math.min(interval, stall > 0 ? stall / PINGS : interval);
  const stalls = new StallWatch(stall, log);
  const recycler = new Recycler(supervisor, limits, log);
  let before = performance.now();
  let unsampled = 0;
  setInterval(() => {
    const now = performance.now();
    const passed = now - before;
    before = now;
    // This process was stopped, or got no CPU: answers may still be unread.
    if (passed > 2 * beat) return;
    for (const worker of supervisor.slots.flatMap(({ living }) => [...living])) {
      worker.pulse.beat(passed);
      stalls.look(worker);
    }
    unsampled += passed;
    if (unsampled >= interval - beat / 2) {
      unsampled = 0;
      recycler.sample();
    }
    recycler.recycle();
  }, beat).unref();
}
