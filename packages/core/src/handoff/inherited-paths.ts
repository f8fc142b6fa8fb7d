import type { Server } from 'node:net';
import type { Bound } from '../listen/address.js';
import { keepFromRemoval } from '../listen/kept-from-removal.js';
import { KeptPaths } from '../listen/kept-paths.js';
import { isFilePath, pathOf } from '../listen/unix-path.js';
import type { RawHandle } from '../node-private/handle.js';
import { listeningHandle } from '../node-private/listening.js';
import type { World } from '../world.js';
import { ownPathOf } from './activated.js';
import type { HandedSocket } from './protocol.js';

/**
 * The paths of the unix sockets that a candidate inherits. Until `go` they are the old process's; then both
 * serve them. After the commit, closing a server here removes its path. Once no older process is left, no
 * path has to be put back.
 */
export class InheritedPaths {
  readonly #kept: KeptPaths;
  readonly #letRemove: () => void;
  #opened: readonly OpenedSocket[] = [];

  /** From now on this program cannot remove the paths. */
  constructor(sockets: readonly HandedSocket[], world: World) {
    this.#kept = new KeptPaths(world);
    this.#letRemove = keepFromRemoval(
      sockets.flatMap(({ bound }) => ('path' in bound && isFilePath(bound.path) ? [bound.path] : [])),
    );
  }

  /** `go` has arrived: this program may remove paths again. */
  letRemove(): void {
    this.#letRemove();
  }

  /**
   * These sockets accept now: puts back each path that an older process removes. `leftNames` are second names
   * without a socket here.
   */
  keep(opened: readonly OpenedSocket[], leftNames: readonly string[], servers: readonly Server[]): void {
    this.#opened = opened;
    for (const name of leftNames) this.#kept.add(undefined, name);
    for (const server of servers) {
      const handle = listeningHandle(server);
      const own = handle && pathOf(handle);
      if (own) this.#kept.add(own, own.given);
    }
    this.#kept.watch();
  }

  /** The predecessor can no longer roll back: from now on a server that closes removes its path. */
  own(): void {
    for (const { handle, bound } of this.#opened) ownPathOf(handle, bound);
    this.#opened = [];
  }

  /** The predecessor has rolled back: the paths are the predecessor's again. */
  release(): void {
    this.#kept.release();
  }

  /** No older process is left that could remove a path. */
  end(): void {
    this.#kept.end();
  }
}

/** A socket that accepts, and where it is bound. */
export interface OpenedSocket {
  handle: RawHandle;
  bound: Bound;
}
