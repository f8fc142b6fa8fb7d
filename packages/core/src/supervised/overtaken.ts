import type { Server } from 'node:net';
import type { Asked } from '../listen/address.js';
import type { RawHandle } from '../node-private/handle.js';
import { acceptAgain, listeningHandle, standBy } from '../node-private/listening.js';
import type { World } from '../world.js';
import { LONGEST_SEARCH, type Search, SPREAD, TRIES } from './late-sockets.js';

/** A server that is bound and could not listen. */
interface BoundServer {
  asked: Asked;
  backlog: number;
  /** Tries to listen again; returns the error number, 0 for success. */
  listen(): number;
  /** Gives the program the error that it cannot listen. */
  fail(): void;
}

/** The sockets of other workers. */
interface OvertakenContext {
  search: Search;
  /** Takes the socket of this address, if it has come. */
  take(asked: Asked): RawHandle | undefined;
  /** A server accepts on a socket that the supervisor may not have. */
  opened(): void;
}

/**
 * Servers that a candidate has bound, and at whose address another worker has listened before `go`. The kernel
 * lets two processes bind one address as long as neither listens.
 */
export class Overtaken {
  readonly #world: World;
  readonly #context: OvertakenContext;
  readonly #servers = new Set<Server>();

  constructor(world: World, context: OvertakenContext) {
    this.#world = world;
    this.#context = context;
  }

  /** Whether a server is one of them, so that its own socket is of no use to others. */
  has(server: Server): boolean {
    return this.#servers.has(server);
  }

  /** Gives a server the socket of the other worker. If that has closed it, the server listens on its own. */
  async rescue(server: Server, bound: BoundServer): Promise<void> {
    this.#servers.add(server);
    const release = this.#world.stayAlive();
    // Without its supervisor this process stops.
    const end = await this.#listens(server, bound).catch(() => 'given up' as const);
    release();
    this.#servers.delete(server);
    if (end === 'listens') this.#context.opened();
    else if (end === 'fails') this.#world.turn(() => bound.fail());
  }

  async #listens(
    server: Server,
    { asked, backlog, listen }: BoundServer,
  ): Promise<'listens' | 'fails' | 'given up'> {
    const { search, take } = this.#context;
    let own = listeningHandle(server);
    for (let tries = 0; tries < TRIES; tries += 1) {
      await Promise.race([search(), this.#pass(LONGEST_SEARCH)]);
      await this.#pass(this.#world.random() * SPREAD);
      // The program has closed it or made it listen elsewhere, or this process accepts no more.
      if (!server.listening || listeningHandle(server) !== own) return 'given up';
      const handle = take(asked);
      if (handle) {
        standBy(server, handle);
        own = handle;
      }
      if ((handle ? acceptAgain(server, backlog) : listen()) === 0) return 'listens';
    }
    return 'fails';
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.after(ms, resolve));
  }
}
