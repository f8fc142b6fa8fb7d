import type { Socket } from 'node:net';
import type { TrackedServer } from '../drain/tracked-server.js';
import { speaksHttp } from '../node-private.js';
import type { World } from '../world.js';

/** Milliseconds in which nothing busy moves: the new process has just started, and whoever had to wait for that is answered. */
const REST = 100;
/** The part of the busy connections that moves then. */
const FIRST = 1 / 64;
/** In so many milliseconds the number of those that may have moved doubles. */
const DOUBLES_IN = 150;

/**
 * How many busy connections may have moved: none for 0.1 s, then one of 64, and twice as many every 150 ms: all after 1 s.
 *
 * A new process runs code that is not compiled yet, at a fraction of its later speed. Whoever gave it all the load of the
 * old one at once would see answers wait in line; so the share that it serves grows as it gets warm, which a load
 * balancer calls a slow start. Connections at rest bring no load, and do not wait.
 *
 * It ends with the rollback window: at the commit an application may close what its requests need.
 */
export class SlowStart {
  readonly #world: World;
  readonly #bytesRead = new WeakMap<Socket, number>();
  #began: number | undefined;
  #first = 1;
  #hurried = false;
  #moved = 0;

  /** Made when a restart begins: a connection that says nothing until the handover is at rest. */
  constructor(world: World, servers: readonly TrackedServer[]) {
    this.#world = world;
    for (const { sockets } of servers)
      for (const socket of sockets) this.#bytesRead.set(socket, socket.bytesRead);
  }

  /** Whether a connection has been silent since the restart began. */
  rests(socket: Socket): boolean {
    return this.#bytesRead.get(socket) === socket.bytesRead;
  }

  /** The handover of these servers: time counts from here. */
  begin(servers: readonly TrackedServer[]): void {
    if (this.#began !== undefined) return;
    this.#began = this.#world.now();
    let busy = 0;
    for (const { sockets } of servers)
      for (const socket of sockets) if (speaksHttp(socket) && !this.rests(socket)) busy += 1;
    this.#first = Math.max(1, busy * FIRST);
  }

  /** There is no more time. */
  hurry(): void {
    this.#hurried = true;
  }

  /** A busy connection moves. */
  moves(): void {
    this.#moved += 1;
  }

  /** Milliseconds until one more busy connection may move. */
  get wait(): number {
    if (this.#hurried || this.#began === undefined) return 0;
    const doublings = Math.max(0, Math.log2((this.#moved + 1) / this.#first));
    return Math.max(0, this.#began + REST + DOUBLES_IN * doublings - this.#world.now());
  }
}
