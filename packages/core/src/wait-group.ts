/** Ends one wait of a drain, such as a hold; a second call does nothing. Also disposable. */
export type Release = (() => void) & { [Symbol.dispose](): void };

/** What a process waits for before it has drained. */
export type Kind =
  /** Open connections. */
  | 'connections'
  /** Work of the application outside requests. */
  | 'holds'
  /** Connections on their way to the successor. */
  | 'moving'
  /** Connections on their way to a successor when this process rolled back, and not back yet. */
  | 'coming back'
  /** Older processes that may still send connections. */
  | 'older processes';

/** Counts what is left of a kind; calls {@link WaitGroup.changed} when its count has fallen. */
export interface Source {
  readonly kind: Kind;
  readonly left: number;
}

/** Everything that this process still waits for before it has drained, by kind. */
export class WaitGroup {
  readonly #taken = new Map<Kind, number>();
  readonly #sources = new Set<Source>();
  readonly #listeners = new Set<() => void>();

  /** Waits for one more of this kind, until it is released. */
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

  /** Waits from now on for what this source counts. */
  add(source: Source): void {
    this.#sources.add(source);
  }

  /** No longer waits for what this source counts. */
  remove(source: Source): void {
    this.#sources.delete(source);
  }

  /** Calls the listeners: a count has fallen. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Calls `fn` whenever a count has fallen; returns the undo. */
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

  /** Whether no connection is on its way between two processes, and none can come any more. */
  get settled(): boolean {
    return this.left('moving') === 0 && !this.comesMore;
  }

  /** Whether this process waits for nothing of its own, at most for older processes. */
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
