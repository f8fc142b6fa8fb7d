import { attempt } from '../attempt.js';
import { pack } from './payload.js';

/** Where a socket has gone, and its id there. */
export interface Route {
  to: unknown;
  id: number;
}

/** Called when the process that serves a socket has done with a message about it, or with an error if it never can. */
export type Done = (error?: Error) => void;

/** How a message reaches the process that serves the socket; false if it cannot. `reply` 0: nobody waits for the answer. */
export type Deliver = (packed: Buffer, reply: number) => boolean;

/** What is said of one socket after it has left: kept until it is known where it has gone, and answered from there. */
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

  /** Says something; returns false if nobody is there any more, and then never calls `done`. Throws if it cannot be cloned. */
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

  /** It is known how to reach the socket: what was kept goes there first. */
  settle(deliver: Deliver): void {
    this.#deliver = deliver;
    for (const [packed, reply] of this.#kept.splice(0)) if (!deliver(packed, reply)) this.fail(reply);
  }

  /** The message with this number is done. */
  acknowledge(reply: number): void {
    this.#call(reply);
  }

  /** The message with this number never will be. */
  fail(reply: number, error = new Error('The socket has moved, and has ended there.')): void {
    this.#call(reply, error);
  }

  /** Calls `fn` once the socket has ended where it is. */
  onEnd(fn: () => void): void {
    if (this.#ended) attempt(fn, this.#report);
    else this.#onEnd.push(fn);
  }

  /** The socket has ended where it is, or cannot be reached any more. */
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
