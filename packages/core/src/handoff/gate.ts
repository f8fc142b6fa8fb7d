import { isIPv6, type Server } from 'node:net';
import type { Bound } from '../listen/address.js';
import type { RawHandle } from '../node-private/handle.js';
import { acceptAgain, listeningHandle, setListeningHandle, standBy } from '../node-private/listening.js';
import type { World } from '../world.js';
import { ownPathOf } from './activated.js';
import { CHECK_TIME } from './newcomers.js';

/**
 * Stands in for the listening handle of a server: the server listens, and accepts nothing. `listen` is
 * synchronous, but the socket itself arrives later. Node's own `cluster` gives its workers such handles.
 */
export class Gate {
  readonly server: Server;
  readonly ipv6Only: boolean;
  /** Set once the server listens. */
  backlog: number | undefined;
  readonly #handle: RawHandle;
  readonly #world: World;
  /** When the server began to listen, if it had no `'connection'` listener then. */
  #silentSince: number | undefined;

  /** `onClosed` is called when the server closes before the gate opens. */
  constructor(world: World, server: Server, bound: Bound, ipv6Only: boolean, onClosed: () => void) {
    this.#world = world;
    this.server = server;
    this.ipv6Only = ipv6Only;
    const handle = standIn(bound);
    handle.listen = (backlog) => {
      this.backlog = backlog;
      if (server.listenerCount('connection') === 0) this.#silentSince = world.now();
      return 0;
    };
    handle.close = (callback) => {
      onClosed();
      if (callback) process.nextTick(callback);
    };
    this.#handle = handle;
    setListeningHandle(server, handle);
  }

  /** Whether the server may be a port check: it has just begun to listen, with no `'connection'` listener. */
  get mayBeCheck(): boolean {
    return this.#silentSince !== undefined && this.#world.now() - this.#silentSince < CHECK_TIME;
  }

  /** Takes the stand-in off the server, as if the server had not asked for the address. */
  withdraw(): void {
    if (listeningHandle(this.server) === this.#handle) setListeningHandle(this.server, null);
  }

  /** The server accepts from now on; returns the error number, 0 for success. */
  open(handle: RawHandle): number {
    this.#handle.close = () => {};
    standBy(this.server, handle);
    return acceptAgain(this.server, this.backlog as number);
  }
}

/** The parts of a listening handle that a server uses before it accepts; there is no socket behind them. */
function standIn(bound: Bound): RawHandle {
  const nothing = () => 0;
  const handle = {
    fd: -1,
    ref: nothing,
    unref: nothing,
    hasRef: () => false,
    readStart: nothing,
    readStop: nothing,
    ...('path' in bound
      ? { fchmod: nothing }
      : {
          getsockname: (out: object) => {
            const { address, port } = bound;
            Object.assign(out, { address, family: isIPv6(address) ? 'IPv6' : 'IPv4', port });
            return 0;
          },
        }),
  } as unknown as RawHandle;
  ownPathOf(handle, bound);
  return handle;
}
