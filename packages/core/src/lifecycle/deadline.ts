import type { World } from '../world.js';

/** A moment that can only come nearer, and what happens when it has come. */
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

  /** Milliseconds left; -1 where there is no limit. */
  get left(): number {
    return this.#at === Number.POSITIVE_INFINITY ? -1 : Math.max(0, this.#at - this.#world.now());
  }

  /** Brings the moment to `ms` from now, unless it is nearer already; -1 leaves it. */
  within(ms: number): void {
    if (ms < 0 || this.#expired) return;
    const at = this.#world.now() + ms;
    if (at >= this.#at) return;
    this.#at = at;
    this.#cancel();
    if (ms === 0) this.expire();
    else this.#cancel = this.#world.after(ms, () => this.expire());
  }

  /** The moment is now. */
  expire(): void {
    if (this.#expired) return;
    this.#expired = true;
    this.#cancel();
    this.#onExpired();
    this.#resolve();
  }

  /** After {@link cancel}: there is something to limit again. */
  resume(): void {
    if (this.#expired || this.#at === Number.POSITIVE_INFINITY) return;
    this.#cancel();
    this.#cancel = this.#world.after(this.left, () => this.expire());
  }

  /** Nothing is left to limit. */
  cancel(): void {
    this.#cancel();
  }

  /** Waits for the work or for the moment, whichever comes first. */
  async bound(work: Promise<unknown>): Promise<void> {
    await Promise.race([work, this.passed]);
  }
}
