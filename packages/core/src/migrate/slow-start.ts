import type { Socket } from 'node:net';
import type { TrackedServer } from '../connections/tracked-server.js';
import { speaksHttp } from '../node-private/http.js';
import type { World } from '../world.js';

/** Milliseconds in which no busy connection moves: requests delayed by the spawn are answered first. */
const REST = 100;
/** Milliseconds that the slow start takes at most. */
const LONGEST = 2_000;
/** The part of that time after which all busy connections have moved. */
const PART = 0.95;

/**
 * How many busy connections may have moved. None moves for 0.1 s, then one, and from there a share that grows
 * with the square of the time. All have moved shortly before the rollback window ends, and within 2 s.
 *
 * A new process runs code that is not compiled yet, at a fraction of its later speed. With all the load of
 * the old process at once, its requests would queue. So the share that it serves grows as it gets warm, which
 * a load balancer calls a slow start. The square gives it neither too much while it is cold, nor half of all
 * in the last moment. Connections that have been silent since the restart began bring no load, and do not
 * wait.
 *
 * The slow start ends with the rollback window: at the commit an application may close what its requests
 * need.
 */
export class SlowStart {
  readonly #world: World;
  readonly #bytesRead = new WeakMap<Socket, number>();
  readonly #takes: number;
  #began: number | undefined;
  #busy = 1;
  #hurried = false;
  #moved = 0;

  /** Created when a restart begins: a connection that is silent until the handover rests. `window`: in ms. */
  constructor(world: World, servers: readonly TrackedServer[], window: number) {
    this.#world = world;
    this.#takes = Math.max(0, Math.min(window, LONGEST) - REST) * PART;
    for (const { sockets } of servers)
      for (const socket of sockets) this.#bytesRead.set(socket, socket.bytesRead);
  }

  /** Whether a connection has been silent since the restart began. */
  rests(socket: Socket): boolean {
    return this.#bytesRead.get(socket) === socket.bytesRead;
  }

  /** The handover of these servers begins: time counts from here. */
  begin(servers: readonly TrackedServer[]): void {
    if (this.#began !== undefined) return;
    this.#began = this.#world.now();
    let busy = 0;
    for (const { sockets } of servers)
      for (const socket of sockets) if (speaksHttp(socket) && !this.rests(socket)) busy += 1;
    this.#busy = Math.max(1, busy);
  }

  /** From now on connections move without a wait. */
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
    const share = Math.min(1, this.#moved / this.#busy);
    return Math.max(0, this.#began + REST + this.#takes * Math.sqrt(share) - this.#world.now());
  }
}
