import { decideAfter } from '../decide.js';
import type { World } from '../world.js';

/** A moment that can only come nearer, and what happens at that moment. */
export class Deadline {
  readonly #world: World;
  readonly #onExpired: () => void;
  #at = Number.POSITIVE_INFINITY;
  #cancel = () => {};
  #expired = false;
  #resolve: () => void = () => {};
  /** Resolves when the moment has come. */
  readonly passed: Promise<void>;

  constructor(world: World, onExpired: () => void) {
    this.#world = world;
    this.#onExpired = onExpired;
    this.passed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Whether the moment has come. */
  get expired(): boolean {
    return this.#expired;
  }

  /** Milliseconds left; -1 if there is no limit. */
  get left(): number {
    return this.#at === Number.POSITIVE_INFINITY ? -1 : Math.max(0, this.#at - this.#world.now());
  }

  /** Moves the moment to `ms` from now, unless it is nearer already; -1 changes nothing. */
  within(ms: number): void {
    if (ms < 0 || this.#expired) return;
    if (ms === 0) {
      this.expire();
      return;
    }
    const at = this.#world.now() + ms;
    if (at >= this.#at) return;
    this.#at = at;
    this.#cancel();
    // Events that wait to be read after a block may finish requests that would be force-closed.
    this.#cancel = decideAfter(this.#world, ms, () => this.expire(), 0);
  }

  /** Brings the moment to now. */
  expire(): void {
    if (this.#expired) return;
    this.#expired = true;
    this.#at = Math.min(this.#at, this.#world.now());
    this.#cancel();
    this.#onExpired();
    this.#resolve();
  }

  /** Starts the timer again after {@link cancel}: there is something to limit again. */
  resume(): void {
    if (this.#expired || this.#at === Number.POSITIVE_INFINITY) return;
    this.#cancel();
    this.#cancel = decideAfter(this.#world, this.left, () => this.expire(), 0);
  }

  /** Stops the timer: nothing is left to limit. */
  cancel(): void {
    this.#cancel();
  }

  /** Waits for the work or for the moment, whichever comes first. */
  async bound(work: Promise<unknown>): Promise<void> {
    await Promise.race([work, this.passed]);
  }
}
