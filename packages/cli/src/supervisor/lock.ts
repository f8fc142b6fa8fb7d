/** Lets one change of the workers be under way at a time: a restart of all, or the replacement of one. */
export class Lock {
  #held: Promise<void> = Promise.resolve();
  #count = 0;

  /** Whether a change is under way or waits. */
  get busy(): boolean {
    return this.#count > 0;
  }

  /** Runs a change after those before it. */
  run<Result>(change: () => Promise<Result>): Promise<Result> {
    this.#count += 1;
    const running = this.#held.then(change).finally(() => {
      this.#count -= 1;
    });
    this.#held = running.then(
      () => {},
      () => {},
    );
    return running;
  }

  /** Resolves when no change is under way. */
  async idle(): Promise<void> {
    while (this.busy) await this.#held;
  }
}
