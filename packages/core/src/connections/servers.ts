import type { Server, Socket } from 'node:net';
import { isActivated } from '../handoff/activated.js';
import type { ListeningSocket } from '../handoff/successor.js';
import { type Asked, type Bound, boundOf, label } from '../listen/address.js';
import { speaksHttp } from '../node-private/http.js';
import { listeningHandle } from '../node-private/listening.js';
import type { Source, WaitGroup } from '../wait-group.js';
import { activities, inFlight } from './activity.js';
import { TrackedServer } from './tracked-server.js';

/** The counts of one server, or of all of them. */
export interface ServerCounts {
  /** Requests in flight: received in whole or part by the application, and not answered to the last byte. */
  activeRequests: number;
  /** Open connections. */
  connections: number;
  /** Open connections between two requests, or before their first. */
  idleConnections: number;
}

/** The counts of one server, with the address on which it listens. */
export interface ServerStats extends ServerCounts {
  address: string;
}

/** How many connections may wait to be accepted, by default in Node.js. */
const NODE_BACKLOG = 511;

/** The servers that endless looks after. */
export class Servers implements Source {
  readonly kind = 'connections';
  readonly #tracked = new Map<Server, TrackedServer>();
  readonly #onEmpty: () => void;
  readonly #closesWait: () => boolean;
  /** Whether the live connections of a server move, for servers that decide it themselves. */
  readonly #migrate = new WeakMap<Server, boolean>();

  /** `closesWait`: whether a close by the application has to wait, because a restart is under way. */
  constructor(waits: WaitGroup, closesWait: () => boolean) {
    waits.add(this);
    this.#onEmpty = () => waits.changed();
    this.#closesWait = closesWait;
  }

  /** How many servers there are. */
  get size(): number {
    return this.#tracked.size;
  }

  /** How many connections are left on all of them. */
  get left(): number {
    let left = 0;
    for (const { sockets, sessions } of this.#tracked.values()) left += Math.max(sockets.size, sessions.size);
    return left;
  }

  /** Whether no HTTP connection is left. */
  get quiet(): boolean {
    return this.all().every(
      (tracked) =>
        tracked.sessions.size === 0 &&
        (!tracked.secure || tracked.sockets.size === tracked.secured.size) &&
        ![...tracked.carriers].some(speaksHttp),
    );
  }

  all(): TrackedServer[] {
    return [...this.#tracked.values()];
  }

  get(server: Server): TrackedServer | undefined {
    return this.#tracked.get(server);
  }

  /** Whether one of them listens at this address. */
  listensAt(bound: Bound): boolean {
    return this.all().some(
      ({ server, bound: own }) => server.listening && own !== undefined && label(own) === label(bound),
    );
  }

  /** Begins to look after a server that listens. */
  add(server: Server, asked: Asked | undefined, backlog = NODE_BACKLOG): TrackedServer {
    this.#tracked.get(server)?.forget();
    const tracked = new TrackedServer(server, asked, backlog, this.#onEmpty, this.#closesWait);
    this.#tracked.set(server, tracked);
    return tracked;
  }

  /** Decides for one server whether its live connections move, whatever the setting is. */
  setMigrate(server: Server, migrate: boolean): void {
    this.#migrate.set(server, migrate);
  }

  /** Whether the live connections of a server move: by its own decision, or else by the setting. */
  migrates({ server }: TrackedServer, setting: boolean): boolean {
    return this.#migrate.get(server) ?? setting;
  }

  /** The addresses of the servers that decided that their connections stay. */
  get keeping(): string[] {
    return this.all().flatMap(({ server, bound }) =>
      bound && this.#migrate.get(server) === false ? [label(bound)] : [],
    );
  }

  /** Stops looking after a server that the application has closed. */
  remove(server: Server): void {
    this.#tracked.get(server)?.forget();
    this.#tracked.delete(server);
  }

  /** Looks after a connection that existed before endless knew its server. */
  adopt(server: Server, socket: Socket): void {
    this.#tracked.get(server)?.adopt(socket);
  }

  /**
   * The listening sockets that a successor can get, and the addresses that it cannot get. Two servers on port
   * 0 of one host ask for the same address. A guess would send clients of one to the other.
   */
  listeningSockets(): { listeningSockets: ListeningSocket[]; ambiguous: string[] } {
    const listeningSockets: ListeningSocket[] = [];
    for (const { server, asked } of this.#tracked.values()) {
      const handle = listeningHandle(server);
      const bound = boundOf(server);
      if (!handle || handle.fd < 0 || !bound) continue;
      listeningSockets.push({
        handle,
        bound,
        asked: asked ?? ('path' in bound ? bound : { port: bound.port, host: bound.address }),
        ...(isActivated(handle) && { activated: true }),
      });
    }
    const twin = ({ asked }: ListeningSocket) =>
      'port' in asked &&
      asked.port === 0 &&
      listeningSockets.filter(
        (other) => 'port' in other.asked && other.asked.port === 0 && other.asked.host === asked.host,
      ).length > 1;
    return {
      listeningSockets: listeningSockets.filter((listeningSocket) => !twin(listeningSocket)),
      ambiguous: listeningSockets.filter(twin).map(({ bound }) => label(bound)),
    };
  }

  /** The current counts of every server. */
  stats(): ServerStats[] {
    return this.all().map(statsOf);
  }

  /** How many connections are open. */
  get connections(): number {
    return this.all().reduce((sum, { sockets }) => sum + sockets.size, 0);
  }

  /** How many of them are no longer HTTP: WebSockets and tunnels. */
  get upgraded(): number {
    const doing = this.all().flatMap((tracked) => [...activities(tracked).values()]);
    return doing.filter((activity) => activity === 'upgraded').length;
  }

  /** How many requests are in flight now. */
  get activeRequests(): number {
    return this.stats().reduce((sum, { activeRequests }) => sum + activeRequests, 0);
  }
}

function statsOf(tracked: TrackedServer): ServerStats {
  let activeRequests = tracked.streams.size;
  let idleConnections = 0;
  for (const [socket, activity] of activities(tracked)) {
    if (activity === 'idle') idleConnections += 1;
    activeRequests += inFlight(tracked, socket).length;
  }
  return {
    address: tracked.bound ? label(tracked.bound) : 'unknown',
    activeRequests,
    connections: tracked.sockets.size,
    idleConnections,
  };
}
