import type { HeldSockets } from '../supervisor/held-sockets.js';
import type { FromWorker } from './messages.js';
import { isRawHandle } from './node-private.js';
import type { Searches } from './searches.js';
import type { Worker } from './worker.js';

/** The place in which the processes of one worker take turns. */
interface Place {
  readonly retired: boolean;
  readonly ready: boolean;
  readonly current: Worker | undefined;
}

/** What the addresses of one worker need of the supervisor. */
interface AddressesContext {
  sockets: HeldSockets;
  searches: Searches;
  /** Milliseconds that a start may take. */
  startTimeout: number;
}

/** The longest time that a process that is ready has to open its further servers: a start may have no limit. */
const LONGEST_OPENING = 60_000;

/** Until when the addresses stay on which the processes of one worker have listened. */
export class Addresses {
  readonly #sockets: HeldSockets;
  readonly #searches: Searches;
  /** Milliseconds after which a process that is ready has opened its further servers too. */
  readonly #limit: number;
  /** Those that have crashed or stopped by themselves, and whose addresses the next process may still open. */
  readonly #kept = new Set<Worker>();

  constructor({ sockets, searches, startTimeout }: AddressesContext) {
    this.#sockets = sockets;
    this.#searches = searches;
    this.#limit = Math.min(startTimeout, LONGEST_OPENING);
  }

  /** Takes a message about an address, and closes a handle of any other. Returns whether it was one. */
  hear(worker: Worker, message: FromWorker, given: unknown): boolean {
    const handle = isRawHandle(given) ? given : undefined;
    if (message.type === 'listening') {
      if (handle) this.#sockets.add(worker, { ...message, handle });
      return true;
    }
    handle?.close();
    if (message.type === 'closed') this.#sockets.closedBy(worker, message.bound);
    else if (message.type === 'search') this.#searches.begin(worker, message.id);
    else if (message.type === 'copied') this.#searches.copied(worker, message.id);
    else return false;
    return true;
  }

  /** The next process opens the addresses of this one: clients wait there meanwhile. */
  keepFor(worker: Worker): void {
    if (this.#sockets.isServedBy(worker)) this.#kept.add(worker);
  }

  /** A process drains or has exited. No client may wait at what no process serves and none will. */
  processEnds(worker: Worker, { retired, ready, current }: Place): void {
    if (worker.state === 'gone') this.#searches.gone(worker);
    if (retired) this.#leave([...this.#kept, worker]);
    else if (ready && worker !== current && !this.#kept.has(worker)) this.#sockets.left(worker);
  }

  /** A process serves in place of those that are kept. */
  nextServes(): void {
    const before = [...this.#kept];
    if (before.length > 0) setTimeout(() => this.#leave(before), this.#limit).unref();
  }

  #leave(workers: readonly Worker[]): void {
    for (const worker of workers) {
      this.#kept.delete(worker);
      this.#sockets.left(worker);
    }
  }
}
