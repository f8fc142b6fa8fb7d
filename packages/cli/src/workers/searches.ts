import type { Worker } from './worker.js';

/** A process has found an address in use, and waits for the sockets of the others. */
interface Search {
  worker: Worker;
  /** The number that it has given to its question. */
  id: number;
  others: number;
  /** Those whose sockets may not have come yet. */
  awaited: Set<Worker>;
}

/**
 * What has another worker bound just now? Each socket that comes goes to every process. So a process that finds
 * an address in use knows the answer once all others have sent their sockets, or have exited.
 */
export class Searches {
  readonly #processes: () => readonly Worker[];
  readonly #open = new Map<number, Search>();
  #lastId = 0;

  constructor(processes: () => readonly Worker[]) {
    this.#processes = processes;
  }

  /** A process asks: asks all others for their sockets. */
  begin(worker: Worker, id: number): void {
    const others = this.#processes().filter((each) => each !== worker);
    this.#lastId += 1;
    this.#open.set(this.#lastId, { worker, id, others: others.length, awaited: new Set(others) });
    for (const other of others) other.send({ type: 'copy', id: this.#lastId });
    this.#look();
  }

  /** The sockets of this process have come. */
  copied(worker: Worker, id: number): void {
    this.#open.get(id)?.awaited.delete(worker);
    this.#look();
  }

  /** A process has exited. */
  gone(worker: Worker): void {
    for (const { awaited } of this.#open.values()) awaited.delete(worker);
    this.#look();
  }

  #look(): void {
    for (const [key, { worker, id, others, awaited }] of this.#open) {
      if (awaited.size > 0) continue;
      this.#open.delete(key);
      worker.send({ type: 'searched', id, others });
    }
  }
}
