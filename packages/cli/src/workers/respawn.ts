import { Backoff } from './backoff.js';
import type { Worker } from './worker.js';

/** The next start of a worker whose process has crashed. */
export class Respawn {
  /** When it is, in the clock of `performance.now()`; undefined if none is planned. */
  at: number | undefined;
  readonly #backoff = new Backoff();
  #timer: NodeJS.Timeout | undefined;

  /** Plans the start after this process, and returns the milliseconds until then. */
  plan(after: Worker | undefined, start: () => void): number {
    this.cancel();
    const readyFor = after?.readyAt === undefined ? undefined : performance.now() - after.readyAt;
    const wait = this.#backoff.next(readyFor);
    this.at = performance.now() + wait;
    // At once means now: connections wait in the queue.
    if (wait === 0) start();
    else this.#timer = setTimeout(start, wait);
    return wait;
  }

  /** Forgets the planned start. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.at = undefined;
  }
}
