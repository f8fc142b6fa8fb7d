import type { Predecessor } from '../handoff/predecessor.js';
import type { World } from '../world.js';

/** Between two looks at a process that was healthy. */
const BETWEEN_CHECKS = 250;

/** What a probation needs of the process that is in it. */
export interface ProbationContext {
  world: World;
  predecessor: Predecessor;
  /** Asks for the health of this process: resolves with the reason if it is not well. */
  health(): Promise<string | undefined>;
  /** The predecessor does not come back any more. */
  onCommitted(): void;
}

/** A new process from `go` until its predecessor has committed: it is watched, and may be sent away. */
export class Probation {
  /** Resolves when it is over, one way or the other. */
  readonly over: Promise<void>;
  readonly #context: ProbationContext;
  #ended = false;
  #resolve: () => void = () => {};

  constructor(context: ProbationContext) {
    this.#context = context;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    void context.predecessor.closed.then(() => this.committed());
    void this.#watch();
  }

  /** Asks the predecessor to commit now; it answers, or it is gone, or it has sent this process away. */
  commit(): Promise<void> {
    if (!this.#ended) this.#context.predecessor.send({ type: 'commit' });
    return this.over;
  }

  /** The predecessor has committed, or is going to without being asked, or is gone. */
  committed(): void {
    if (this.#ended) return;
    this.end();
    this.#context.onCommitted();
  }

  /** It ends without a commit. */
  end(): void {
    this.#ended = true;
    this.#resolve();
  }

  async #watch(): Promise<void> {
    const { world, predecessor, health } = this.#context;
    while (!this.#ended) {
      const reason = await health();
      if (this.#ended) return;
      if (reason !== undefined) {
        predecessor.send({ type: 'unready', message: reason });
        return;
      }
      await new Promise<void>((resolve) => world.after(BETWEEN_CHECKS, resolve));
    }
  }
}
