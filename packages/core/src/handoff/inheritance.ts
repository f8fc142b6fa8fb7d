import { errorMonitor } from 'node:events';
import { fstatSync } from 'node:fs';
import type { Server } from 'node:net';
import { messageOf } from '../errors.js';
import { type Asked, askedOf, type Bound, bestOf, label, matchOf } from '../listen/address.js';
import type { KeptPaths } from '../listen/kept-paths.js';
import { adoptPath, inheritedPath, isFilePath, type OwnPath, pathOf } from '../listen/unix-path.js';
import { tellsUnixSockets, unixSocketOf } from '../listen/unix-table.js';
import type { RawHandle } from '../node-private/handle.js';
import { listeningHandle } from '../node-private/listening.js';
import { markActivated, ownPathOf } from './activated.js';
import { bindLike } from './bind-like.js';
import { Gate } from './gate.js';
import type { HandedSocket, Handoff } from './protocol.js';

/** A socket of the handoff that this process does not get. */
export interface Refused {
  /** Which one, and why. */
  reason: string;
  /** The server that has asked for its address already. */
  server: Server | undefined;
}

/** Whether a server asks for the port or the path of a socket that a handoff promises, on whatever host. */
export function concerns(options: Record<string, unknown>, promised: Handoff | undefined): boolean {
  const asked = askedOf(options);
  return Boolean(
    asked &&
      promised?.sockets.some(({ bound }) =>
        'path' in asked
          ? matchOf(asked, { asked: bound, bound }) > 0
          : 'port' in bound && bound.port === asked.port,
      ),
  );
}

/** The listening sockets that a candidate is to get: which have come, and which are claimed by a server. */
export class Inheritance {
  readonly #entries: Entry[];
  /** In the order of the handoff, which the messages count by. */
  readonly #handed: readonly Entry[];
  /** Sockets that accept, until the paths of the unix ones among them are ours. */
  readonly #opened: Pick<Entry, 'handle' | 'bound'>[] = [];
  /** Second names of unix sockets that this process does not serve. */
  readonly #leftNames: string[] = [];
  #awaited = true;

  constructor(sockets: readonly HandedSocket[]) {
    this.#handed = sockets.map((socket) => ({
      ...socket,
      handle: undefined,
      gate: undefined,
      own: undefined,
    }));
    this.#entries = [...this.#handed];
  }

  /** Keeps a socket that the old process has sent, or says why it does not. */
  arrive(index: number, handle: RawHandle | undefined): Refused | undefined {
    const entry = this.#handed[index];
    if (!entry || entry.handle || !this.#entries.includes(entry)) {
      handle?.close();
      return undefined;
    }
    const why = handle
      ? refusalOfHandle(handle, entry.bound)
      : 'the old process has closed it, or this process has no free descriptor for it';
    if (why === undefined) {
      entry.handle = handle;
      if (entry.activated) markActivated(handle as RawHandle);
      return undefined;
    }
    handle?.close();
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    if (!isClaimed(entry)) entry.gate?.withdraw();
    return { reason: `${label(entry.bound)}: ${why}`, server: entry.gate?.server };
  }

  /**
   * Makes the server listen at the gate of the inherited address that it asks for, if there is one: it accepts nothing
   * before {@link open}.
   */
  claim(server: Server, asked: Asked, ipv6Only: boolean): boolean {
    const entry = bestOf(
      this.#entries.filter(({ gate }) => !gate),
      asked,
    );
    if (!entry) return false;
    const { bound, kept } = entry;
    // The program may have removed it before it listens, and be about to change its mode.
    if ('path' in bound && isFilePath(bound.path)) entry.own = inheritedPath(bound.path, kept);
    // A server that closes before the gate opens (a port check) leaves the socket to the next one.
    const gate = new Gate(server, bound, ipv6Only, () => {
      if (entry.gate === gate) entry.gate = undefined;
    });
    entry.gate = gate;
    // A name that could not be looked up: the same server may try again.
    server.once(errorMonitor as unknown as 'error', () => this.release(server));
    return true;
  }

  /** Takes a claim back that never came to listening. */
  release(server: Server): void {
    for (const entry of this.#entries)
      if (entry.gate?.server === server && entry.gate.backlog === undefined) {
        entry.gate.withdraw();
        entry.gate = undefined;
      }
  }

  /** Labels of the addresses whose server listens behind the gate. */
  claimed(): string[] {
    return this.#entries.filter(isClaimed).map(({ bound }) => label(bound));
  }

  /** Labels of the addresses that no server has asked for. */
  unclaimed(): string[] {
    return this.#entries.filter((entry) => !isClaimed(entry)).map(({ bound }) => label(bound));
  }

  /** Whether an address is to be waited for: its name is being looked up, or its socket is on its way. */
  get pending(): boolean {
    return this.#entries.some(
      (entry) => entry.gate && (!isClaimed(entry) || (this.#awaited && !entry.handle)),
    );
  }

  /** Whether a server on an inherited address may be a port check. */
  get checking(): boolean {
    return this.#entries.some((entry) => isClaimed(entry) && entry.gate?.mayBeCheck);
  }

  /** Whether a port is that of inherited sockets of which no server has asked for any. */
  isUnclaimed(port: number): boolean {
    const there = this.#entries.filter(({ bound }) => 'port' in bound && bound.port === port);
    return there.length > 0 && there.every(({ gate }) => !gate);
  }

  /** The sockets that are claimed and have come, by the label of their address. */
  get sockets(): { address: string; handle: RawHandle }[] {
    return this.#entries.flatMap((entry) =>
      isClaimed(entry) && entry.handle ? [{ address: label(entry.bound), handle: entry.handle }] : [],
    );
  }

  /** The old process is gone: what has not come will not come. */
  orphaned(): void {
    this.#awaited = false;
  }

  /** Binds the claimed addresses whose sockets have not come; returns why one cannot be bound. To be followed by {@link open}. */
  async bindMissing(): Promise<string | undefined> {
    try {
      for (const entry of this.#entries.filter(isClaimed))
        entry.handle ??= await bindLike(entry.bound, (entry.gate as Gate).ipv6Only);
    } catch (error) {
      return messageOf(error);
    }
    return undefined;
  }

  /** Opens the gate: every claimed socket accepts from now on, every other one is closed. Returns what failed. */
  open(): { server: Server; errno: number }[] {
    const failed: { server: Server; errno: number }[] = [];
    for (const entry of this.#entries.splice(0)) {
      const { handle, bound, gate, own, kept } = entry;
      const adopts = handle && own && !pathOf(handle);
      if (adopts) adoptPath(handle, own);
      if (kept !== undefined && !(adopts && isClaimed(entry))) this.#leftNames.push(kept);
      if (!handle || !gate || !isClaimed(entry)) {
        handle?.close();
        continue;
      }
      this.#opened.push({ handle, bound });
      const errno = gate.open(handle);
      if (errno !== 0) failed.push({ server: gate.server, errno });
    }
    return failed;
  }

  /** Hands the paths of the unix sockets that have been opened to what keeps them, with the second names that came with them. */
  keepPaths(paths: KeptPaths, servers: readonly Server[]): void {
    for (const name of this.#leftNames) paths.add(undefined, name);
    for (const server of servers) {
      const handle = listeningHandle(server);
      const own = handle && pathOf(handle);
      if (own) paths.add(own, own.given);
    }
  }

  /** From now on a server that closes removes its unix path: before, the old process might have taken it back. */
  ownPaths(): void {
    for (const { handle, bound } of this.#opened.splice(0)) ownPathOf(handle as RawHandle, bound);
  }
}

interface Entry extends HandedSocket {
  /** Set once the socket has come. */
  handle: RawHandle | undefined;
  /** Where a server has asked for the address. */
  gate: Gate | undefined;
  /** The path of a unix socket, where a server has asked for it. */
  own: OwnPath | undefined;
}

function isClaimed({ gate }: Entry): boolean {
  return gate?.backlog !== undefined;
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

/** Why a handle is not the listening socket of an address, or undefined if it may be that. */
function refusalOfHandle(handle: RawHandle, bound: Bound): string | undefined {
  try {
    const actual: { address?: string; port?: number } = {};
    handle.getsockname?.(actual);
    if ('path' in bound) {
      if (handle.getsockname) return 'what came for it is not a unix socket';
      return tellsUnixSockets() && !unixSocketOf(handle.fd)?.listening
        ? 'what came for it is not a listening unix socket'
        : undefined;
    }
    return actual.port === bound.port && actual.address === bound.address
      ? undefined
      : `what came for it is bound to ${actual.address ?? 'nothing'}:${actual.port ?? ''}`;
  } catch (error) {
    return messageOf(error);
  }
}
