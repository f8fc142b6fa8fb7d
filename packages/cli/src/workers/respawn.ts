import { Backoff } from './backoff.js';
import type { Worker } from './worker.js';

/** The next start of a worker whose process has crashed. */
export class Respawn {
  /** When it is, in the clock of `performance.now()`; undefined if none is planned. */
  at: number | undefined;
  readonly #backoff = new Backoff();
  #timer: NodeJS.Timeout | undefined;

  /** Plans the start after this process, and returns when that is, for a log line. */
  plan(after: Worker | undefined, start: () => void): string {
    this.cancel();
    const readyFor = after?.readyAt === undefined ? undefined : performance.now() - after.readyAt;
    const wait = this.#backoff.next(readyFor);
    this.at = performance.now() + wait;
    // At once means now: connections wait in the queue.
    if (wait === 0) start();
    else this.#timer = setTimeout(start, wait);
    return wait > 0 ? ` in ${(wait / 1_000).toFixed(1)} s` : '';
  }

  /** Forgets the planned start. */
  cancel(): void {
    clearTimeout(this.#timer);
    this.at = undefined;
  }
}
