import { errorMonitor } from 'node:events';
import { fstatSync } from 'node:fs';
import type { Server } from 'node:net';
import { messageOf } from '../errors.js';
import { type Asked, type Bound, label, matchOf } from '../listen/address.js';
import { isFilePath, ownPath } from '../listen/unix-path.js';
import { tellsUnixSockets, unixSocketOf } from '../listen/unix-table.js';
import {
  listeningHandle,
  onListeningHandle,
  type RawHandle,
  rawHandle,
  setListeningHandle,
} from '../node-private.js';
import type { HandedSocket } from './protocol.js';

/** Sockets that a service manager holds too; it has made their paths, and keeps them. */
const activated = new WeakSet<RawHandle>();

/** Whether a listening socket came from a service manager, to this process or to one before it. */
export function isActivated(handle: RawHandle): boolean {
  return activated.has(handle);
}

/**
 * The sockets that a process was given, by its predecessor or by a service manager: which are claimed by a server, which
 * are not, and in a successor the gate before them all.
 */
export class Inheritance {
  readonly #entries: Entry[] = [];
  /** Servers on addresses that nobody served before, and what makes each of them listen. */
  readonly #added = new Map<Server, () => number>();
  /** Sockets that accept, until the paths of the unix ones among them are ours. */
  readonly #opened: Pick<Entry, 'handle' | 'bound'>[] = [];
  /** Descriptors that were not what the handoff said, each with the reason. */
  readonly refused: string[] = [];

  readonly #gated: boolean;

  constructor(sockets: readonly HandedSocket[], { gated = true } = {}) {
    this.#gated = gated;
    for (const socket of sockets) {
      const handle = opened(socket);
      if (typeof handle === 'string') this.refused.push(`${label(socket.bound)}: ${handle}`);
      else {
        if (socket.activated) activated.add(handle);
        this.#entries.push({ ...socket, handle, claimed: undefined, backlog: undefined });
      }
    }
  }

  /**
   * Gives the server the inherited socket of the address that it asks for, if there is one, with the gate closed:
   * the server listens, and accepts nothing before {@link open}.
   */
  claim(server: Server, asked: Asked): boolean {
    const entry = this.#best(asked);
    if (!entry) return false;
    entry.claimed = server;
    entry.backlog = undefined;
    const { handle, bound } = entry;
    if (!this.#gated) {
      this.#entries.splice(this.#entries.indexOf(entry), 1);
      setListeningHandle(server, handle);
      return true;
    }
    ownPathOf(handle, bound);
    // The gate: own properties on this one handle. What a listen asks for is remembered until the gate opens.
    handle.listen = (backlog) => {
      entry.backlog = backlog;
      return 0;
    };
    // A server that closes before that (a port check) must not take the socket with it.
    handle.close = (callback) => {
      entry.claimed = undefined;
      entry.backlog = undefined;
      if (callback) process.nextTick(callback);
    };
    // A port check that was `unref`ed has left the handle so.
    handle.ref();
    setListeningHandle(server, handle);
    // A name that could not be looked up: the same server may try again.
    server.once(errorMonitor as unknown as 'error', () => this.release(server));
    return true;
  }

  /** Lets a server bind an address that is new, and listen on it only when the gates open. */
  holdBack(server: Server): void {
    onListeningHandle(server, (handle) => {
      const { listen } = handle;
      handle.listen = (backlog) => {
        // libuv keeps a bind error for the next call.
        const errno = handle.getsockname?.({}) ?? 0;
        if (errno !== 0) return errno;
        this.#added.set(server, () => {
          handle.listen = listen;
          return handle.listen(backlog);
        });
        server.once('close', () => this.#added.delete(server));
        return 0;
      };
    });
  }

  /** Takes a claim back that never came to listening. */
  release(server: Server): void {
    for (const entry of this.#entries)
      if (entry.claimed === server && entry.backlog === undefined) {
        if (listeningHandle(server) === entry.handle) setListeningHandle(server, null);
        entry.claimed = undefined;
      }
  }

  /** Labels of the addresses whose server listens behind the gate. */
  claimed(): string[] {
    return this.#entries.filter((entry) => entry.backlog !== undefined).map((entry) => label(entry.bound));
  }

  /** Labels of the addresses that no server has asked for. */
  unclaimed(): string[] {
    return this.#entries.filter((entry) => entry.backlog === undefined).map((entry) => label(entry.bound));
  }

  /** Whether a server has asked for an address and does not listen yet: its name is being looked up. */
  get pending(): boolean {
    return this.#entries.some((entry) => entry.claimed && entry.backlog === undefined);
  }

  /** The sockets that came, by the label of their address. */
  get sockets(): { address: string; handle: RawHandle }[] {
    return this.#entries.map(({ bound, handle }) => ({ address: label(bound), handle }));
  }

  /** Opens the gate: every claimed socket accepts from now on, every other one is closed. Returns what failed. */
  open(): { server: Server; errno: number }[] {
    const failed: { server: Server; errno: number }[] = [];
    for (const { handle, bound, claimed, backlog } of this.#entries.splice(0)) {
      Reflect.deleteProperty(handle, 'listen');
      Reflect.deleteProperty(handle, 'close');
      if (claimed === undefined || backlog === undefined) {
        handle.close();
        continue;
      }
      this.#opened.push({ handle, bound });
      const errno = handle.listen(backlog);
      if (errno !== 0) failed.push({ server: claimed, errno });
    }
    for (const [server, listen] of this.#added) {
      const errno = listen();
      if (errno !== 0) failed.push({ server, errno });
    }
    return failed;
  }

  /** From now on a server that closes removes its unix path: before, the old process might have taken it back. */
  ownPaths(): void {
    for (const { handle, bound } of this.#opened.splice(0)) ownPathOf(handle, bound);
  }

  #best(asked: Asked): Entry | undefined {
    let best: Entry | undefined;
    let bestMatch = 0;
    for (const entry of this.#entries) {
      if (entry.claimed) continue;
      const match = matchOf(asked, entry);
      if (match > bestMatch) {
        best = entry;
        bestMatch = match;
      }
    }
    return best;
  }
}

/** Makes the closing of a handle remove the path of its unix socket, unless that is the service manager's. */
export function ownPathOf(handle: RawHandle, bound: Bound): void {
  if ('path' in bound && isFilePath(bound.path) && !activated.has(handle)) ownPath(handle, bound.path);
}

/** Makes a copy of a handle count as the service manager's where the original does. */
export function markCopy(copy: RawHandle, original: RawHandle): void {
  if (activated.has(original)) activated.add(copy);
}

interface Entry extends HandedSocket {
  handle: RawHandle;
  claimed: Server | undefined;
  /** Set once the claiming server listens, behind the gate. */
  backlog: number | undefined;
}

/** Why a descriptor is not the line to the service manager, or undefined if it may be that. */
export function refusalOf(fd: number): string | undefined {
  try {
    return fd >= 3 && fstatSync(fd, { bigint: true }).isSocket()
      ? undefined
      : `descriptor ${fd} is not a socket`;
  } catch (error) {
    return `descriptor ${fd}: ${messageOf(error)}`;
  }
}

/** The handle of a handed descriptor, or why it is not the socket that the handoff speaks of. */
function opened({ fd, bound }: HandedSocket): RawHandle | string {
  try {
    if (!Number.isInteger(fd) || fd < 3) return `descriptor ${fd} is not one of ours`;
    // With bigint: what Node keeps of a plain stat of a socket makes its module loader leave the next symbolic link unresolved.
    if (!fstatSync(fd, { bigint: true }).isSocket()) return `descriptor ${fd} is not a socket`;
    const unix = unixSocketOf(fd);
    if ('path' in bound && tellsUnixSockets() && !unix?.listening)
      return `descriptor ${fd} is not a listening unix socket`;
    const handle = rawHandle(fd);
    if ('path' in bound) return handle;
    const actual: { address?: string; port?: number } = {};
    handle.getsockname?.(actual);
    if (actual.port === bound.port && actual.address === bound.address) return handle;
    return `descriptor ${fd} is bound to ${actual.address ?? 'nothing'}:${actual.port ?? ''}`;
  } catch (error) {
    return `descriptor ${fd}: ${messageOf(error)}`;
  }
}
