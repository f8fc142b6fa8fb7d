import type { Servers } from '../connections/servers.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import { drainConnections, stopAccepting } from '../drain/drain.js';
import type { World } from '../world.js';

/** The servers that the application closes: endless drains their connections as on a shutdown. */
export class AppDrains {
  readonly #world: World;
  readonly #servers: Servers;
  /** What the application has closed during a restart: endless closes it if that fails. */
  readonly #later: ((tracked: TrackedServer) => boolean)[] = [];

  constructor(world: World, servers: Servers) {
    this.#world = world;
    this.#servers = servers;
  }

  /** Drains these servers as soon as no restart needs them. */
  drain(closes: (tracked: TrackedServer) => boolean, restartNeeds: boolean): void {
    if (restartNeeds) {
      this.#later.push(closes);
      return;
    }
    for (const tracked of this.#servers.all().filter(closes)) {
      stopAccepting(tracked);
      const undo = drainConnections(tracked, 0, this.#world);
      tracked.server.once('close', undo);
    }
  }

  /** Closes what the application has closed while a restart needed it. */
  resume(drain: (closes: (tracked: TrackedServer) => boolean) => void): void {
    for (const closes of this.#later.splice(0)) drain(closes);
    for (const { appClose } of this.#servers.all()) appClose.resume();
  }
}
