import { attempt } from '../attempt.js';
import { pack } from './payload.js';

/** Where a socket has gone, and its id there. */
export interface Route {
  to: unknown;
  id: number;
}

/** Called when the owner of a socket has handled a message about it; with an error if it never will. */
export type Done = (error?: Error) => void;

/** Sends a message to the socket's owner; false if it cannot. `reply` 0: no callback waits for the answer. */
export type Deliver = (packed: Buffer, reply: number) => boolean;

/** The messages about a socket that has left: kept until its owner is known, then sent to that owner. */
export class Afterwards {
  readonly #report: (error: unknown) => void;
  readonly #kept: [packed: Buffer, reply: number][] = [];
  readonly #waiting = new Map<number, Done>();
  readonly #onEnd: (() => void)[] = [];
  /** Where the socket has gone, once that is known. */
  where: (() => Route | undefined) | undefined;
  #lastReply = 0;
  #deliver: Deliver | undefined;
  #ended = false;

  /** `report` gets what a callback throws. */
  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  /** Sends a message, or throws if it cannot be cloned; false, without a call of `done`, after the end. */
  tell(message: unknown, done?: Done): boolean {
    if (this.#ended) return false;
    const packed = pack(message);
    let reply = 0;
    if (done) {
      this.#lastReply += 1;
      reply = this.#lastReply;
      this.#waiting.set(reply, done);
    }
    if (!this.#deliver) this.#kept.push([packed, reply]);
    else if (!this.#deliver(packed, reply)) {
      this.#waiting.delete(reply);
      return false;
    }
    return true;
  }

  /** Sets how to reach the owner of the socket, and sends it the kept messages first. */
  settle(deliver: Deliver): void {
    this.#deliver = deliver;
    for (const [packed, reply] of this.#kept.splice(0)) if (!deliver(packed, reply)) this.fail(reply);
  }

  /** The owner has handled the message with this number. */
  acknowledge(reply: number): void {
    this.#call(reply);
  }

  /** The owner never handles the message with this number. */
  fail(reply: number, error = new Error('The socket has moved, and is closed in the new process.')): void {
    this.#call(reply, error);
  }

  /** Calls `fn` once the socket has ended at its owner. */
  onEnd(fn: () => void): void {
    if (this.#ended) attempt(fn, this.#report);
    else this.#onEnd.push(fn);
  }

  /** The socket has ended at its owner, or cannot be reached any more. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#kept.length = 0;
    for (const reply of [...this.#waiting.keys()]) this.fail(reply);
    for (const fn of this.#onEnd.splice(0)) attempt(fn, this.#report);
  }

  #call(reply: number, error?: Error): void {
    const done = this.#waiting.get(reply);
    if (!done) return;
    this.#waiting.delete(reply);
    attempt(() => done(error), this.#report);
  }
}
