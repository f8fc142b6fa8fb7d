/** Runs a task once at a time. Requests that come meanwhile share one more run. */
export class Turns<Result> {
  readonly #task: () => Promise<Result>;
  #running: Promise<Result> | undefined;
  #next: Promise<Result> | undefined;

  constructor(task: () => Promise<Result>) {
    this.#task = task;
  }

  /** Whether the task runs now. */
  get busy(): boolean {
    return this.#running !== undefined;
  }

  /** Runs the task now, or once more after the present run; resolves with the result of that run. */
  take(): Promise<Result> {
    if (!this.#running) {
      this.#running = this.#task().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    const settled = () => undefined;
    this.#next ??= this.#running.then(settled, settled).then(() => {
      this.#next = undefined;
      return this.take();
    });
    return this.#next;
  }

  /** Resolves when no run is under way, and none follows. */
  async idle(): Promise<void> {
    for (;;) {
      const last = this.#next ?? this.#running;
      if (!last) return;
      await last.catch(() => {});
    }
  }
}
