import { decideAfter } from '../decide.js';
import type { Predecessor } from '../handoff/predecessor.js';
import { CHANNEL_TIME, verdictTime } from '../handoff/times.js';
import type { Log } from '../log.js';
import type { World } from '../world.js';

/** Between two looks at the health of a process. */
export const BETWEEN_CHECKS = 250;

/** What a probation needs of the process that is in it. */
export interface ProbationContext {
  world: World;
  log: Log;
  predecessor: Predecessor;
  /** Milliseconds in which the predecessor can roll back. */
  window: number;
  /**
   * Asks for the health of this process: resolves with the reason if it is not well, after it has failed several times, of
   * which `onFailure` is told. Undefined where there is no check.
   */
  health(onFailure: (reason: string) => void): Promise<string | undefined> | undefined;
  /** The predecessor does not come back any more. */
  onCommitted(): void;
}

/** A new process from `go` until its predecessor has committed: it is watched, and may be sent away. */
export class Probation {
  /** Resolves when it is over, one way or the other. */
  readonly over: Promise<void>;
  readonly #context: ProbationContext;
  readonly #began: number;
  #ended = false;
  /** When the check was asked that has not come to an end. */
  #askedAt: number | undefined;
  #resolve: () => void = () => {};

  constructor(context: ProbationContext) {
    this.#context = context;
    this.#began = context.world.now();
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    void context.predecessor.closed.then(() => this.#channelClosed());
    void this.#watch();
  }

  /** Whether the predecessor can still roll back. */
  get open(): boolean {
    return !this.#ended;
  }

  /**
   * A restart was asked for and waits until the probation is over, which resolves with true; with false if that is not so
   * `patience` milliseconds after the longest window. Should this process fail, the restart is its predecessor's.
   */
  overWithin(patience: number): Promise<boolean> {
    const { world, predecessor, window } = this.#context;
    predecessor.send({ type: 'restart-asked' });
    return new Promise((resolve) => {
      const longest = window + verdictTime(window, -1) + patience;
      const cancel = decideAfter(world, longest, () => resolve(false));
      void this.over.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** The predecessor has committed, or is going to without being asked, or is gone. */
  committed(): void {
    if (this.#ended) return;
    this.#warnOfSlowCheck();
    this.end();
    this.#context.onCommitted();
  }

  /** A predecessor that lives rolls back once it has missed the channel for a while, and stops this process by a signal. */
  #channelClosed(): void {
    const { world, predecessor } = this.#context;
    if (world.ppid() === predecessor.handoff.pid)
      decideAfter(world, 2 * CHANNEL_TIME, () => this.committed());
    else this.committed();
  }

  /** It ends without a commit. */
  end(): void {
    this.#ended = true;
    this.#resolve();
  }

  /** A check that took half of the window or more has had no say, which its author should know. */
  #warnOfSlowCheck(): void {
    const { world, window, log } = this.#context;
    const now = world.now();
    if (this.#askedAt === undefined || window === 0 || now - this.#began < window) return;
    const taken = Math.round(now - this.#askedAt);
    if (taken >= window / 2)
      log.warn(`The restart is final, and a \`healthCheck\` that began ${taken} ms ago has not ended.`);
  }

  async #watch(): Promise<void> {
    const { world, predecessor, health } = this.#context;
    while (!this.#ended) {
      let ailing = false;
      const asked = health((message) => {
        this.#askedAt = world.now();
        ailing = true;
        predecessor.send({ type: 'check-failed', message });
      });
      this.#askedAt = asked && world.now();
      const reason = await asked;
      this.#askedAt = undefined;
      if (this.#ended) return;
      if (reason !== undefined) {
        predecessor.send({ type: 'unready', message: reason });
        return;
      }
      if (ailing) predecessor.send({ type: 'check-passed' });
      await new Promise<void>((resolve) => world.after(BETWEEN_CHECKS, resolve));
    }
  }
}
