import { Backoff } from './backoff.js';

/** The next start of a worker whose process has crashed. */
export class Respawn {
  /** When it is, in the clock of `performance.now()`; undefined if none is planned. */
  at: number | undefined;
  readonly #backoff = new Backoff();
  #timer: NodeJS.Timeout | undefined;
  #servesSince: number | undefined;

  /** A process of the worker is ready. A restart since then does not count: clients were served all the time. */
  serves(): void {
    this.#servesSince ??= performance.now();
  }

  /** Plans the start after a crash, and returns when that is, for a log line. */
  plan(start: () => void): string {
    this.cancel();
    const since = this.#servesSince;
    this.#servesSince = undefined;
    const wait = this.#backoff.next(since === undefined ? undefined : performance.now() - since);
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
