/** Keeps the process from being drained until it is called; calling it again does nothing; also disposable. */
export type Release = (() => void) & { [Symbol.dispose](): void };

/** Work that is not a request and that a drain waits for, within its deadline. */
export class Holds {
  #count = 0;
  readonly #onRelease: () => void;

  constructor(onRelease: () => void) {
    this.#onRelease = onRelease;
  }

  /** How many are held now. */
  get count(): number {
    return this.#count;
  }

  /** Takes one hold. */
  take(): Release {
    let held = true;
    this.#count += 1;
    const release = () => {
      if (!held) return;
      held = false;
      this.#count -= 1;
      this.#onRelease();
    };
    return Object.assign(release, { [Symbol.dispose]: release });
  }
}
