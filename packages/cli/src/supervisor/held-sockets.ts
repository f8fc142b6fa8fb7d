import type { Asked, Bound } from '../workers/messages.js';
import type { RawHandle } from '../workers/node-private.js';
import type { Worker } from '../workers/worker.js';
import { removeStale } from './stale-socket.js';

/** A listening socket that the supervisor holds for its workers. It never accepts. */
export interface HeldSocket {
  asked: Asked;
  bound: Bound;
  handle: RawHandle;
  /** How many connections may wait there, as the program asked for. */
  backlog?: number;
}

/** How long the path of a unix socket stays that no worker serves. */
const LISTENS_AGAIN = 500;

/** What the other workers have to know. */
export interface SocketEvents {
  /** A worker listens on an address that no worker had before. */
  added(socket: HeldSocket): void;
  /** This worker listens on an address that is known. */
  known(worker: Worker, socket: HeldSocket): void;
  /** No worker serves this address any more. */
  dropped(socket: HeldSocket): void;
}

/**
 * The listening sockets of all workers. While the supervisor holds one, connections wait in its queue, also
 * when no worker lives.
 */
export class HeldSockets {
  readonly #sockets = new Map<string, HeldSocket>();
  /** The processes that serve each address, and those whose next process may still open it. */
  readonly #servers = new Map<string, Set<Worker>>();
  /** The paths of unix sockets that may have to be removed. */
  readonly #paths = new Set<string>();
  /** The addresses whose sockets systemd has opened, and holds too. */
  readonly #activated = new Set<string>();
  readonly #events: SocketEvents;
  #closed = false;

  constructor(events: SocketEvents) {
    this.#events = events;
  }

  /** Holds what systemd has opened: until the end, whether a worker serves it or not. */
  activate(sockets: readonly HeldSocket[]): void {
    for (const socket of sockets) {
      const address = labelOf(socket.bound);
      this.#sockets.set(address, socket);
      this.#activated.add(address);
    }
  }

  /** A worker listens: keeps the socket if it is new, and closes it if this process holds it already. */
  add(worker: Worker, socket: HeldSocket): void {
    const address = labelOf(socket.bound);
    const held = this.#sockets.get(address);
    // The path of a socket of systemd stays: a look whether it is stale would start the service again.
    if ('path' in socket.bound && !this.#activated.has(address)) this.#paths.add(socket.bound.path);
    if (held || this.#closed) socket.handle.close();
    if (this.#closed) return;
    this.#sockets.set(address, held ?? socket);
    if (held) this.#events.known(worker, held);
    else this.#events.added(socket);
    const servers = this.#servers.get(address) ?? new Set();
    this.#servers.set(address, servers.add(worker));
  }

  /** The program of a worker has closed its server: if no worker serves the address, no client may wait there. */
  closedBy(worker: Worker, bound: Bound): void {
    this.#drop(labelOf(bound), worker);
  }

  /** This process serves no more, and no other opens its addresses: what only it served is given up. */
  left(worker: Worker): void {
    for (const address of this.#servers.keys()) this.#drop(address, worker);
  }

  /** Whether this process serves any of them. */
  isServedBy(worker: Worker): boolean {
    return [...this.#servers.values()].some((servers) => servers.has(worker));
  }

  /** Those that a worker does not serve: a successor gets the others from it. */
  notServedBy(worker: Worker): HeldSocket[] {
    return [...this.#sockets].flatMap(([address, socket]) =>
      this.#servers.get(address)?.has(worker) ? [] : socket,
    );
  }

  /** All of them, in the order in which they came. */
  all(): HeldSocket[] {
    return [...this.#sockets.values()];
  }

  /** Gives all of them up: a client that connects now must be refused, and not wait for ever. */
  close(): void {
    this.#closed = true;
    for (const { handle } of this.#sockets.values()) handle.close();
    this.#sockets.clear();
    this.#servers.clear();
  }

  /** Removes the paths on which no process listens any more: the worker that has made one may have crashed. */
  async removePaths(): Promise<void> {
    await Promise.allSettled([...this.#paths].map(removeStale));
  }

  #drop(address: string, worker: Worker): void {
    const servers = this.#servers.get(address);
    if (!servers?.delete(worker) || servers.size > 0) return;
    this.#servers.delete(address);
    const socket = this.#sockets.get(address);
    if (!socket || this.#activated.has(address)) return;
    this.#sockets.delete(address);
    this.#events.dropped(socket);
    socket.handle.close();
    if ('path' in socket.bound) this.#removePathSoon(address, socket.bound.path);
  }

  /** A program that closes its server may listen on the same socket again at once. */
  #removePathSoon(address: string, path: string): void {
    setTimeout(async () => {
      if (this.#sockets.has(address)) return;
      const found = await removeStale(path).catch(() => 'other');
      if (found !== 'served' && !this.#sockets.has(address)) this.#paths.delete(path);
    }, LISTENS_AGAIN).unref();
  }
}

/** An address, for log lines and to compare it. */
export function labelOf(bound: Bound): string {
  if ('path' in bound) return `unix:${bound.path}`;
  return bound.address.includes(':') ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`;
}
