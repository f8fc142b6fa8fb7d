import type { TrackedServer } from '../connections/tracked-server.js';
import type { MovingConnection } from '../handoff/protocol.js';
import { label } from '../listen/address.js';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { serveOn } from './serve.js';

/** The successor's side of a move: serves each connection, and acknowledges them in one message a turn. */
export class Receiver {
  readonly #world: World;
  readonly #servers: () => TrackedServer[];
  readonly #answer: (ids: number[], lost: number[]) => void;
  #taken: number[] = [];
  #lost: number[] = [];

  constructor(world: World, servers: () => TrackedServer[], answer: (ids: number[], lost: number[]) => void) {
    this.#world = world;
    this.#servers = servers;
    this.#answer = answer;
  }

  /** Serves one connection on the server of its address; returns whether that was possible. */
  receive({ id, address, used }: MovingConnection, handle: RawHandle | undefined): boolean {
    if (this.#taken.length + this.#lost.length === 0) this.#world.turn(() => this.#flush());
    const tracked = this.#servers().find(({ bound }) => bound && label(bound) === address);
    // Without a free descriptor the handle is lost on the way; a full server would drop the connection.
    const possible = handle !== undefined && tracked !== undefined && !isFull(tracked);
    (possible ? this.#taken : this.#lost).push(id);
    if (possible) serveOn(tracked, handle, used);
    else handle?.close();
    return possible;
  }

  #flush(): void {
    this.#answer(this.#taken, this.#lost);
    this.#taken = [];
    this.#lost = [];
  }
}

/** Whether a server would drop one more connection. */
export function isFull({ server, sockets }: TrackedServer): boolean {
  return server.maxConnections > 0 && sockets.size >= server.maxConnections;
}
