import { Server } from 'node:net';
import { type Asked, type Bound, matchOf } from '../listen/address.js';
import { onBind } from '../node-private/listening.js';
import type { World } from '../world.js';

/**
 * Asks for the sockets of all other processes. Resolves with the number of these once the sockets have come;
 * rejects if the supervisor is gone.
 */
export type Search = () => Promise<number>;

/** How often a server listens again: if several listen at one moment, the kernel can refuse all of them. */
export const TRIES = 3;
/** Milliseconds over which workers that listen again are spread, so that they do not meet again. */
export const SPREAD = 20;
/** Milliseconds that a blocked worker can delay the error of another. */
export const LONGEST_SEARCH = 5_000;

/** One call of `listen` by the program. */
interface Call {
  readonly options: Record<string, unknown>;
  /** Node.js may have it from an argument of its own. */
  backlog: number | undefined;
  tries: number;
  /** What it asks for, if it binds its address itself. */
  asked: Asked | undefined;
}

/** A server that waits for the socket of its address. */
interface Waiting {
  asked: Asked | undefined;
  listenAgain(): void;
  end(): void;
}

/**
 * The servers that find their address in use. Another worker may have bound it at the same moment: their error
 * waits until each worker has sent what it has bound. The program gets it if no worker has the address.
 */
export class LateSockets {
  readonly #world: World;
  readonly #search: Search;
  readonly #calls = new WeakMap<Server, Call>();
  readonly #watched = new WeakSet<Server>();
  readonly #waiting = new Map<Server, Waiting>();
  /** The server that is just made to listen again. */
  #again: Server | undefined;

  constructor(world: World, search: Search) {
    this.#world = world;
    this.#search = search;
  }

  /** Whether a server waits, so that the program knows neither that it listens nor that it cannot. */
  get waiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** A server is made to listen. */
  asks(server: Server, options: Record<string, unknown>): void {
    if (server === this.#again) return;
    // The program does not wait for the earlier call.
    this.#waiting.get(server)?.end();
    this.#calls.set(server, { options, backlog: undefined, tries: 0, asked: undefined });
  }

  /** It is about to bind its address itself. */
  binds(server: Server, asked: Asked): void {
    const call = this.#calls.get(server);
    if (call) call.asked = asked;
    if (this.#watched.has(server)) return;
    this.#watched.add(server);
    onBind(server, (backlog) => {
      const call = this.#calls.get(server);
      if (call) call.backlog = backlog;
    });
  }

  /** Keeps this error of a server from the program until it is known whether another worker has the address. */
  wait(server: Server, error: Error): void {
    const call = this.#calls.get(server);
    if (!call || call.tries === TRIES) return;
    call.tries += 1;
    keepFromProgram(server, error);
    const release = this.#world.stayAlive();
    let over = false;
    const end = () => {
      over = true;
      this.#waiting.delete(server);
      cancel();
      release();
      server.off('close', end);
    };
    const listenAgain = () => {
      if (over) return;
      end();
      this.#listenAgain(server, call);
    };
    const fail = () => {
      if (over) return;
      end();
      server.emit('error', error);
    };
    const cancel = this.#world.after(LONGEST_SEARCH, fail);
    server.once('close', end);
    this.#waiting.set(server, { asked: call.asked, listenAgain, end });
    void this.#search().then(
      (others) => {
        if (others === 0) this.#world.turn(fail);
        // The worker that had it may have closed it, or crashed.
        else this.#world.after(this.#world.random() * SPREAD, listenAgain);
      },
      // Without its supervisor this process stops.
      end,
    );
  }

  /** A socket has come: the servers that wait for it listen. */
  arrived(socket: { asked: Asked; bound: Bound }): void {
    for (const { asked, listenAgain } of this.#waiting.values())
      if (asked && matchOf(asked, socket) > 0) this.#world.turn(listenAgain);
  }

  /** This process drains: none of them listens any more. */
  close(): void {
    for (const { end } of [...this.#waiting.values()]) end();
  }

  #listenAgain(server: Server, { options, backlog }: Call): void {
    // The callback of the first call still waits for 'listening', and its signal still closes the server.
    const { signal: _signal, ...again } = options;
    this.#again = server;
    try {
      Server.prototype.listen.call(server, { ...again, ...(backlog !== undefined && { backlog }) });
    } finally {
      this.#again = undefined;
    }
  }
}

/** Drops the event that Node.js is about to emit for this error. */
function keepFromProgram(server: Server, error: Error): void {
  const own = Object.getOwnPropertyDescriptor(server, 'emit');
  const { emit } = server;
  const catching = (event: string, ...args: unknown[]) => {
    if (event !== 'error' || args[0] !== error) return Reflect.apply(emit, server, [event, ...args]);
    if (server.emit === catching) {
      if (own) Object.defineProperty(server, 'emit', own);
      else Reflect.deleteProperty(server, 'emit');
    }
    return true;
  };
  Reflect.set(server, 'emit', catching);
}
