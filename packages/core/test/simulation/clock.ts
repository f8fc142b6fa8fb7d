/** Something that happens at a moment of the virtual clock. */
interface Task {
  at: number;
  order: number;
  run: () => void;
}

/** A clock that only moves to the next task: an hour passes in the time that its tasks take. */
export class Clock {
  now = 0;
  #order = 0;
  readonly #tasks = new Set<Task>();

  /** Runs `fn` in `ms` milliseconds, tasks of one moment in the order of their creation; returns the undo. */
  in(ms: number, fn: () => void): () => void {
    const task = { at: this.now + ms, order: this.#order++, run: fn };
    this.#tasks.add(task);
    return () => void this.#tasks.delete(task);
  }

  /** Whether a task is due by this moment. */
  dueBy(moment: number): boolean {
    return (this.#next()?.at ?? Number.POSITIVE_INFINITY) <= moment;
  }

  /** Moves to the next task and runs it, with all that its promises lead to. */
  async step(): Promise<void> {
    const task = this.#next();
    if (!task) return;
    this.#tasks.delete(task);
    this.now = Math.max(this.now, task.at);
    task.run();
    await settled();
  }

  #next(): Task | undefined {
    let next: Task | undefined;
    for (const task of this.#tasks)
      if (!next || task.at < next.at || (task.at === next.at && task.order < next.order)) next = task;
    return next;
  }
}

/** Resolves when every promise and every `nextTick` that can run now has run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
