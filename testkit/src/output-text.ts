import type { Readable } from 'node:stream';

type Source = 'stdout' | 'stderr' | 'both';

interface Waiter {
  source: Source;
  look(text: string): boolean;
  fail(reason: string): void;
}

/** The text that a program has written so far, and the calls that wait for a piece of it. */
export class OutputText {
  stdout = '';
  stderr = '';
  both = '';
  readonly #waiters = new Set<Waiter>();
  #failure: string | undefined;

  /** Whether the program has written more than the limit. */
  get isFlooded(): boolean {
    return this.both.length > MAX_TEXT;
  }

  /** Collects a stream until its end, which comes when the last process that holds it exits. */
  read(source: 'stdout' | 'stderr', stream: Readable | null): void {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (this.isFlooded) return;
      this[source] += text;
      this.both += text;
      for (const waiter of [...this.#waiters]) {
        if (waiter.source === 'both' || waiter.source === source) waiter.look(this[waiter.source]);
      }
    });
    // A pipe that breaks has nothing more to say.
    stream?.on('error', () => {});
  }

  /** Rejects every call that waits, now or later, since no more text will come. The first reason stays. */
  fail(reason: string): void {
    this.#failure ??= reason;
    for (const waiter of [...this.#waiters]) waiter.fail(this.#failure);
  }

  /** Waits for a piece of text. */
  waitFor(
    pattern: RegExp | string,
    source: Source,
    timeout: number,
    after: number,
  ): Promise<RegExpMatchArray> {
    const expression = toExpression(pattern);
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        source,
        look: (text) => {
          const match = text.slice(after).match(expression);
          if (!match) return false;
          settle();
          match.index = (match.index ?? 0) + after;
          resolve(match);
          return true;
        },
        fail: (reason) => {
          settle();
          reject(new Error(`Waited for ${pattern}, but the program ${reason}.\n${this.#shown()}`));
        },
      };
      const timer = setTimeout(() => waiter.fail(`did not write it in ${timeout} ms`), timeout);
      this.#waiters.add(waiter);
      if (!waiter.look(this[source]) && this.#failure !== undefined) waiter.fail(this.#failure);
    });
  }

  #shown(): string {
    return `--- stdout\n${this.stdout}\n--- stderr\n${this.stderr}\n---`;
  }
}

const MAX_TEXT = 8_000_000;

function toExpression(pattern: RegExp | string): RegExp {
  if (typeof pattern === 'string') return new RegExp(pattern.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
}
