import { setTimeout as sleep } from 'node:timers/promises';

/** Stands for the connections to a database: until it is closed it keeps the process alive, and afterwards it is of no use. */
export class Pool {
  #connection = setInterval(() => {}, 60_000);
  #closed = false;

  /** Does what takes a moment. */
  async query(text) {
    if (this.#closed) throw new Error(`the pool is closed: ${text}`);
    await sleep(100);
    if (this.#closed) throw new Error(`the pool was closed during ${text}`);
  }

  /** Closes the connections to the database. */
  async close() {
    await sleep(50);
    this.#closed = true;
    clearInterval(this.#connection);
  }
}
