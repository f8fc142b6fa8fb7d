import type { Log } from '../print/log.js';
import type { Lock } from '../supervisor/lock.js';
import { Backoff } from '../workers/backoff.js';
import type { Slot } from '../workers/slot.js';
import type { Worker } from '../workers/worker.js';

/** How large and how old a process may become; 0: no limit. */
export interface Size {
  /** Bytes of resident memory. */
  maxMemory: number;
  /** Milliseconds. */
  maxAge: number;
}

/** What the recycler needs of its supervisor. */
export interface Recycled {
  readonly slots: readonly Slot[];
  readonly lock: Lock;
  readonly stopping: boolean;
}

/** So many samples in a row must be above the limit: one can be garbage that is about to be collected. */
const SAMPLES = 3;
/** Part of an age that is left to chance, so that workers are not replaced together. */
const SPREAD = 0.1;
const MEBIBYTE = 1_024 ** 2;

interface Reason {
  counter: 'memory' | 'age';
  why: string;
}

/** Replaces workers that are too large or too old, one at a time, by a handover. */
export class Recycler {
  readonly #supervisor: Recycled;
  readonly #size: Size;
  readonly #log: Log;
  /** Samples above the limit, in a row. */
  readonly #above = new WeakMap<Worker, number>();
  /** The answer that was the last sample. */
  readonly #sampled = new WeakMap<Worker, number>();
  readonly #ages = new WeakMap<Worker, number>();
  /** When a worker that could not be replaced may be tried again. */
  readonly #retries = new WeakMap<Slot, { at: number; backoff: Backoff }>();

  constructor(supervisor: Recycled, size: Size, log: Log) {
    this.#supervisor = supervisor;
    this.#size = size;
    this.#log = log;
  }

  /** Looks at the memory that each worker has reported. */
  sample(): void {
    const { maxMemory } = this.#size;
    if (maxMemory === 0) return;
    for (const { current } of this.#supervisor.slots) {
      // A blocked process has reported nothing new.
      if (!current?.pulse.last || this.#sampled.get(current) === current.pulse.answers) continue;
      this.#sampled.set(current, current.pulse.answers);
      const above = current.pulse.last.rss > maxMemory;
      this.#above.set(current, above ? (this.#above.get(current) ?? 0) + 1 : 0);
    }
  }

  /** Begins to replace a worker if one is too large or too old, and nothing else is under way. */
  recycle(): void {
    const { slots, lock, stopping } = this.#supervisor;
    if (stopping || lock.busy) return;
    // An old process that drains still has its memory.
    if (slots.some(({ living }) => living.size > 1)) return;
    for (const slot of slots) {
      const { current } = slot;
      if (!current || !slot.ready || performance.now() < (this.#retries.get(slot)?.at ?? 0)) continue;
      const reason = this.#reason(current);
      if (!reason) continue;
      void lock.run(() => this.#replace(slot, current, reason));
      return;
    }
  }

  #reason(worker: Worker): Reason | undefined {
    const { maxMemory, maxAge } = this.#size;
    if ((this.#above.get(worker) ?? 0) >= SAMPLES) {
      const [used, most] = [worker.pulse.last?.rss ?? 0, maxMemory].map((bytes) =>
        Math.round(bytes / MEBIBYTE),
      );
      return { counter: 'memory', why: `uses ${used} MiB, more than the ${most} MiB of --max-memory` };
    }
    const age = performance.now() - (worker.readyAt ?? Number.POSITIVE_INFINITY);
    if (maxAge === 0 || age < this.#ageOf(worker)) return undefined;
    return { counter: 'age', why: `has served for ${(age / 1_000).toFixed(1)} s, the time of --max-age` };
  }

  #ageOf(worker: Worker): number {
    const age = this.#ages.get(worker) ?? this.#size.maxAge * (1 + SPREAD * (2 * Math.random() - 1));
    this.#ages.set(worker, age);
    return age;
  }

  async #replace(slot: Slot, worker: Worker, { counter, why }: Reason): Promise<void> {
    const named = `worker ${slot.index} (pid ${worker.pid})`;
    this.#log.info(`${named} ${why}: replacing it.`);
    try {
      // A limit is no deployment: the new process runs the release of the old one.
      const pid = await slot.restart(worker.release);
      slot.replacedBy[counter] += 1;
      this.#retries.delete(slot);
      this.#log.info(`worker ${slot.index} is now pid ${pid}.`);
    } catch (error) {
      if (this.#supervisor.stopping) return;
      const { backoff } = this.#retries.get(slot) ?? { backoff: new Backoff() };
      const wait = backoff.next(undefined);
      this.#retries.set(slot, { at: performance.now() + wait, backoff });
      // The other lines are what the new process has written to stderr, and so to this log.
      const [reason] = (error as Error).message.split('\n', 1);
      const when = `Trying again in ${(wait / 1_000).toFixed(1)} s.`;
      this.#log.info(`${named} serves on, since it could not be replaced: ${reason} ${when}`);
    }
  }
}
