/** A worker that was ready for this long is replaced at once. */
const GOOD_START = 1_000;
/** After this long the waits begin again with the first. */
const GOOD_RUN = 30_000;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;
/** Part of a wait that is left to chance, so that workers do not start together. */
const SPREAD = 0.2;

/** How long to wait before a crashed worker is started again. Crashes are never counted. */
export class Backoff {
  readonly #random: () => number;
  #wait = FIRST_WAIT;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** Milliseconds to wait for a worker that was ready for so long; undefined if it was never ready. */
  next(readyFor: number | undefined): number {
    if (readyFor !== undefined && readyFor >= GOOD_RUN) this.#wait = FIRST_WAIT;
    if (readyFor !== undefined && readyFor >= GOOD_START) return 0;
    const wait = this.#wait * (1 + SPREAD * (2 * this.#random() - 1));
    this.#wait = Math.min(LONGEST_WAIT, 2 * this.#wait);
    return Math.round(wait);
  }
}
