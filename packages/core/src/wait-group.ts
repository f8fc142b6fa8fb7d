/** Keeps the process from being drained until it is called; calling it again does nothing; also disposable. */
export type Release = (() => void) & { [Symbol.dispose](): void };

/** What a process waits for before it has drained. */
export type Kind =
  /** Open connections. */
  | 'connections'
  /** Work of the application that is no request. */
  | 'holds'
  /** Connections on their way to the successor. */
  | 'moving'
  /** Connections that were on their way to a successor that this process has replaced again, and that are not back yet. */
  | 'coming back'
  /** Older processes that may still send connections. */
  | 'older processes';

/** Counts by itself what is left of a kind; it calls {@link WaitGroup.changed} when that has become less. */
export interface Source {
  readonly kind: Kind;
  readonly left: number;
}

/** Everything that this process still waits for before it has drained, by kind. */
export class WaitGroup {
  readonly #taken = new Map<Kind, number>();
  readonly #sources = new Set<Source>();
  readonly #listeners = new Set<() => void>();

  /** One more of this kind is waited for, until it is released. */
  take(kind: Kind): Release {
    let taken = true;
    this.#taken.set(kind, (this.#taken.get(kind) ?? 0) + 1);
    const release = () => {
      if (!taken) return;
      taken = false;
      this.#taken.set(kind, (this.#taken.get(kind) ?? 0) - 1);
      this.changed();
    };
    return Object.assign(release, { [Symbol.dispose]: release });
  }

  /** What this source counts is waited for from now on. */
  add(source: Source): void {
    this.#sources.add(source);
  }

  /** What this source counts is not waited for any more. */
  remove(source: Source): void {
    this.#sources.delete(source);
  }

  /** Less is waited for than before. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Calls `fn` whenever less is waited for; returns the undo. */
  onChange(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /** How many of a kind are left. */
  left(kind: Kind): number {
    let left = this.#taken.get(kind) ?? 0;
    for (const source of this.#sources) if (source.kind === kind) left += source.left;
    return left;
  }

  /** Whether connections may still come from another process. */
  get comesMore(): boolean {
    return this.left('older processes') > 0 || this.left('coming back') > 0;
  }

  /** Whether no connection is between two processes, and none can come. */
  get settled(): boolean {
    return this.left('moving') === 0 && !this.comesMore;
  }

  /** Whether only older processes are left, so that this one waits for nothing of its own. */
  get onlyOlder(): boolean {
    return !KINDS_OF_OUR_OWN.some((kind) => this.left(kind) > 0);
  }

  /** Resolves when nothing is left. */
  empty(): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!this.onlyOlder || this.left('older processes') > 0) return;
        stop();
        resolve();
      };
      const stop = this.onChange(look);
      look();
    });
  }
}

const KINDS_OF_OUR_OWN = ['connections', 'holds', 'moving', 'coming back'] as const;
