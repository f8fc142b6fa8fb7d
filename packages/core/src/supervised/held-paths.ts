import { type Bound, label } from '../listen/address.js';
import { keepFromRemoval } from '../listen/kept-from-removal.js';
import { isFilePath } from '../listen/unix-path.js';

/**
 * The paths of the unix sockets that `endless run` holds. The program cannot remove them, as it does before it
 * listens or as it exits: the other workers and the next process serve them too.
 */
export class HeldPaths {
  readonly #kept = new Map<string, () => void>();

  /** Keeps the path of this address, if it has one. */
  add(bound: Bound): void {
    if (!('path' in bound) || !isFilePath(bound.path) || this.#kept.has(label(bound))) return;
    this.#kept.set(label(bound), keepFromRemoval([bound.path]));
  }

  /** The supervisor no longer holds this address, and has removed its path. */
  remove(bound: Bound): void {
    this.#kept.get(label(bound))?.();
    this.#kept.delete(label(bound));
  }
}
