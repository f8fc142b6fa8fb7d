import type { RawHandle } from '../node-private/handle.js';

/** The listener copies that a successor has sent back, until a server stands by on each. */
export class ListenerCopies {
  readonly #copies = new Map<string, RawHandle>();

  /** Keeps the copy of the socket at this address. */
  add(address: string, copy: RawHandle): void {
    this.#copies.set(address, copy);
  }

  /** Removes and returns the copy of the socket at this address; the caller closes it. */
  take(address: string): RawHandle | undefined {
    const copy = this.#copies.get(address);
    this.#copies.delete(address);
    return copy;
  }

  /** Closes the copies that are left: a client that connects to one would wait in its queue for ever. */
  close(): void {
    for (const copy of this.#copies.values()) copy.close();
    this.#copies.clear();
  }
}
