import type { WorkerCounts } from '@endless/core/internal';

/** How long an answer is waited for: so long a status may take at most. */
const ANSWER_TIME = 500;

/** What a process holds. It is asked when a status is, so that it costs nothing otherwise. */
export class Counts {
  readonly #ask: () => void;
  readonly #waiting = new Set<(counts?: WorkerCounts) => void>();
  /** When it was asked, until it answers. */
  #askedAt: number | undefined;

  constructor(ask: () => void) {
    this.#ask = ask;
  }

  /** What the process holds now; undefined if it is blocked, or its core does not know the question. */
  async now(): Promise<WorkerCounts | undefined> {
    const asked = performance.now();
    // It has left the last question open, and messages must not pile up for it.
    if (this.#askedAt !== undefined && asked - this.#askedAt > ANSWER_TIME) return undefined;
    if (this.#askedAt === undefined) {
      this.#askedAt = asked;
      this.#ask();
    }
    return new Promise((resolve) => {
      const done = (counts?: WorkerCounts) => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve(counts);
      };
      const timer = setTimeout(() => done(), ANSWER_TIME);
      this.#waiting.add(done);
    });
  }

  /** The process has answered, or has exited. */
  answer(counts?: WorkerCounts): void {
    this.#askedAt = undefined;
    for (const done of [...this.#waiting]) done(counts);
  }
}
