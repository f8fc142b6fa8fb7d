import type { TrackedServer } from '../connections/tracked-server.js';
import { drainConnections, protectIdle } from '../drain/drain.js';
import { endIdle } from '../drain/idle.js';
import { rejectLate } from '../drain/late.js';
import type { World } from '../world.js';

/** The servers whose connections stay here: each gets a close notice, and closes after its last response. */
export class Staying {
  readonly #world: World;
  readonly #servers = new Set<TrackedServer>();
  readonly #undo: (() => void)[] = [];
  #idleGrace: number;
  #rejectsLate = false;

  constructor(world: World, idleGrace: number) {
    this.#world = world;
    this.#idleGrace = idleGrace;
  }

  /** Milliseconds for which a client may still use an idle connection. */
  get idleGrace(): number {
    return this.#idleGrace;
  }

  /** From now on no other code closes idle connections of these servers, for example the application's. */
  protectIdle(servers: readonly TrackedServer[]): void {
    for (const tracked of servers) if (!tracked.idleProtected) this.#undo.push(protectIdle(tracked));
  }

  /** The connections of this server stay. */
  add(tracked: TrackedServer): void {
    this.#servers.add(tracked);
    if (this.#rejectsLate) this.#reject(tracked);
    this.#undo.push(drainConnections(tracked, this.#idleGrace, this.#world));
  }

  /** From now on endless itself answers late requests. */
  rejectLate(): void {
    this.#rejectsLate = true;
    for (const tracked of this.#servers) this.#reject(tracked);
  }

  /** Clients may use idle connections for so many milliseconds from now on, if that is less than they had. */
  limitIdle(idleGrace: number): void {
    if (idleGrace >= this.#idleGrace) return;
    this.#idleGrace = idleGrace;
    for (const tracked of this.#servers)
      if (tracked.http) this.#undo.push(endIdle(tracked, idleGrace, this.#world));
  }

  /** Stops draining the connections. */
  stop(): void {
    for (const fn of this.#undo.splice(0).reverse()) fn();
  }

  #reject(tracked: TrackedServer): void {
    if (tracked.hearsRequests) this.#undo.push(rejectLate(tracked));
  }
}
