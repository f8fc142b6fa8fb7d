import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Stands for a queue such as BullMQ: it outlives every process, and gives each job to one of them. */
export class Queue {
  #folder;

  constructor(folder) {
    this.#folder = folder;
    for (const name of ['new', 'waiting', 'taken', 'done', 'claims'])
      mkdirSync(path.join(folder, name), { recursive: true });
  }

  /** How many jobs wait for a worker. */
  get waiting() {
    return readdirSync(path.join(this.#folder, 'waiting')).length;
  }

  /** Puts a job in. */
  add(text) {
    const name = `${Date.now()}-${randomUUID()}`;
    writeFileSync(path.join(this.#folder, 'new', name), text);
    this.#move(name, 'new', 'waiting');
  }

  /** Takes the oldest job, if there is one. */
  take() {
    for (const name of readdirSync(path.join(this.#folder, 'waiting')).sort())
      if (this.#move(name, 'waiting', 'taken'))
        return { name, text: readFileSync(path.join(this.#folder, 'taken', name), 'utf8') };
    return undefined;
  }

  /** A job is done. */
  finish({ name }) {
    this.#move(name, 'taken', 'done');
  }

  /** Whether this process is the first to claim a name. */
  claim(name) {
    try {
      writeFileSync(path.join(this.#folder, 'claims', name), '', { flag: 'wx' });
      return true;
    } catch {
      return false;
    }
  }

  /** Only one process can move a file away. */
  #move(name, from, to) {
    try {
      renameSync(path.join(this.#folder, from, name), path.join(this.#folder, to, name));
      return true;
    } catch {
      return false;
    }
  }
}
