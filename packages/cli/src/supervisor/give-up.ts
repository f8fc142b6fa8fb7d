import { decideAfter } from '../decide-after.js';

const SHORTEST = 60_000;

/** Milliseconds of `--give-up` if it is not typed: the first start after a crash may take `--start-timeout`. */
export function giveUpAfter(startTimeout: number): number {
  return Math.max(SHORTEST, startTimeout);
}

/** Ends the run when no worker has been ready for a long time: an orchestrator can act on an exit. */
export class GiveUp {
  readonly #after: number;
  readonly #act: () => void;
  #undo: (() => void) | undefined;

  /** Calls `act` when no worker was ready for so many milliseconds; 0: never. */
  constructor(after: number, act: () => void) {
    this.#after = after;
    this.#act = act;
  }

  /** No worker is ready. */
  begin(): void {
    if (this.#after > 0) this.#undo ??= decideAfter(this.#after, this.#act);
  }

  /** A worker is ready, or the run ends. */
  cancel(): void {
    this.#undo?.();
    this.#undo = undefined;
  }
}
