import { errorMonitor } from 'node:events';
import type { Server } from 'node:net';
import { messageOf } from '../errors.js';
import { type Asked, askedOf, bestOf, label, matchOf } from '../listen/address.js';
import type { OwnPath } from '../listen/own-path.js';
import { adoptPath, inheritedPath, isFilePath, pathOf } from '../listen/unix-path.js';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { markActivated } from './activated.js';
import { Gate } from './gate.js';
import type { OpenedSocket } from './inherited-paths.js';
import type { HandedSocket, Handoff } from './protocol.js';
import { refusalOf } from './refusal.js';

/** A socket of the handoff that this process does not get. */
export interface Refused {
  /** Which socket, and why. */
  reason: string;
  /** The server that has asked for its address already. */
  server: Server | undefined;
}

/** The result of opening the gates. */
export interface Opened {
  /** Sockets on which `listen` failed. */
  failed: { server: Server; errno: number }[];
  /** Sockets that accept now. */
  opened: OpenedSocket[];
  /** Second names of unix sockets that this process does not serve. */
  leftNames: string[];
}

/** Whether a server asks for the port or the path of a socket that a handoff promises, on any host. */
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

/** The listening sockets that a candidate inherits: which have arrived, and which a server has claimed. */
export class Inheritance {
  readonly #world: World;
  readonly #entries: Entry[];
  /** In the order of the handoff; a message names a socket by its index. */
  readonly #handed: readonly Entry[];
  #awaited = true;

  constructor(world: World, sockets: readonly HandedSocket[]) {
    this.#world = world;
    this.#handed = sockets.map((socket) => ({
      ...socket,
      handle: undefined,
      gate: undefined,
      own: undefined,
    }));
    this.#entries = [...this.#handed];
  }

  /** Keeps a socket that the old process has sent, or returns why it is refused. */
  arrive(index: number, handle: RawHandle | undefined): Refused | undefined {
    const entry = this.#handed[index];
    if (!entry || entry.handle || !this.#entries.includes(entry)) {
      handle?.close();
      return undefined;
    }
    const why = handle
      ? refusalOf(handle, entry.bound)
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
   * Makes the server listen at the gate of the inherited address that it asks for, if there is one. It
   * accepts nothing before {@link open}.
   */
  claim(server: Server, asked: Asked, ipv6Only: boolean): boolean {
    const entry = bestOf(
      this.#entries.filter(({ gate }) => !gate),
      asked,
    );
    if (!entry) return false;
    const { bound, kept } = entry;
    // The program may have removed the path before it listens, and may change the mode of the path next.
    if ('path' in bound && isFilePath(bound.path)) entry.own = inheritedPath(bound.path, kept);
    // A server that closes before the gate opens (a port check) leaves the socket to the next server.
    const gate = new Gate(this.#world, server, bound, ipv6Only, () => {
      if (entry.gate === gate) entry.gate = undefined;
    });
    entry.gate = gate;
    // After a failed look-up of its host name the same server may try again.
    server.once(errorMonitor as unknown as 'error', () => this.release(server));
    return true;
  }

  /** Withdraws the claim of a server that does not listen yet. */
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

  /** Labels of the addresses that no server has claimed. */
  unclaimed(): string[] {
    return this.#entries.filter((entry) => !isClaimed(entry)).map(({ bound }) => label(bound));
  }

  /** Whether an address has to be waited for: its name is being looked up, or its socket is on its way. */
  get pending(): boolean {
    return this.#entries.some(
      (entry) => entry.gate && (!isClaimed(entry) || (this.#awaited && !entry.handle)),
    );
  }

  /** Whether a server on an inherited address may be a port check. */
  get checking(): boolean {
    return this.#entries.some((entry) => isClaimed(entry) && entry.gate?.mayBeCheck);
  }

  /** Whether a port belongs to inherited sockets, and no server has asked for one of them. */
  isUnclaimed(port: number): boolean {
    const there = this.#entries.filter(({ bound }) => 'port' in bound && bound.port === port);
    return there.length > 0 && there.every(({ gate }) => !gate);
  }

  /** The claimed sockets that have arrived, each with the label of its address. */
  get sockets(): { address: string; handle: RawHandle }[] {
    return this.#entries.flatMap((entry) =>
      isClaimed(entry) && entry.handle ? [{ address: label(entry.bound), handle: entry.handle }] : [],
    );
  }

  /** The old process is gone: a socket that has not arrived will not arrive. */
  orphaned(): void {
    this.#awaited = false;
  }

  /**
   * Binds the claimed addresses whose sockets have not arrived; returns the reason if one cannot be bound.
   * Call {@link open} next.
   */
  async bindMissing(): Promise<string | undefined> {
    try {
      for (const entry of this.#entries.filter(isClaimed))
        entry.handle ??= await this.#world.bindLike(entry.bound, (entry.gate as Gate).ipv6Only);
    } catch (error) {
      return messageOf(error);
    }
    return undefined;
  }

  /** Opens the gates: every claimed socket accepts from now on, every other one is closed. */
  open(): Opened {
    const { failed, opened, leftNames }: Opened = { failed: [], opened: [], leftNames: [] };
    for (const entry of this.#entries.splice(0)) {
      const { handle, bound, gate, own, kept } = entry;
      const adopts = handle && own && !pathOf(handle);
      if (adopts) adoptPath(handle, own);
      if (kept !== undefined && !(adopts && isClaimed(entry))) leftNames.push(kept);
      if (!handle || !gate || !isClaimed(entry)) {
        handle?.close();
        continue;
      }
      opened.push({ handle, bound });
      const errno = gate.open(handle);
      if (errno !== 0) failed.push({ server: gate.server, errno });
    }
    return { failed, opened, leftNames };
  }
}

interface Entry extends HandedSocket {
  /** Set once the socket has arrived. */
  handle: RawHandle | undefined;
  /** Set while a server asks for the address. */
  gate: Gate | undefined;
  /** The path of a unix socket that a server has asked for. */
  own: OwnPath | undefined;
}

function isClaimed({ gate }: Entry): boolean {
  return gate?.backlog !== undefined;
}
