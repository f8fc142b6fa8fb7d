import type { WorkerCounts } from '@endless/core/internal';

/** Milliseconds until an answer is too late: a status takes no longer. */
const ANSWER_TIME = 500;

/** What a process holds. The supervisor asks it only for a status: otherwise this costs nothing. */
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
    // The process has not answered the last question: messages must not pile up for it.
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
