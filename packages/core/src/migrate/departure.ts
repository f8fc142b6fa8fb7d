import type { Servers } from '../connections/servers.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import type { Log } from '../log.js';
import { speaksHttp } from '../node-private/http.js';
import type { Source, WaitGroup } from '../wait-group.js';
import type { World } from '../world.js';
import { Mover } from './mover.js';
import { Offers } from './offers.js';
import type { Protocols } from './protocols.js';
import { Staying } from './staying.js';
import { type Target, takes } from './target.js';

/** What the departure of connections needs from the process that they leave. */
export interface DepartureContext {
  world: World;
  protocols: Protocols;
  servers: Servers;
  log: Log;
  waits: WaitGroup;
  /** Undefined in a shutdown: then every connection stays. */
  to: Target | undefined;
  /** Whether connections move if the application has not decided it for their server. */
  migrate: boolean;
  /** Milliseconds for which a client may still use an idle connection. */
  idleGrace: number;
  /** A connection has arrived at its destination. */
  onMoved(address: string): void;
}

/** How often to check whether any connection is left that could move. */
const LOOK_EVERY = 100;
/** How long a socket that no longer speaks HTTP may take to join a protocol that moves. */
const PROTOCOL_TIME = 10_000;

/**
 * Moves the connections of a process to its successor; those that cannot move get a close notice.
 *
 * A restart calls `beginSockets` and `begin` when the rollback window opens. Then it calls either `takeBack`,
 * or `hurry` at the commit. From the commit on, the calls are those of a shutdown: `begin` with every server,
 * `settle`, `stop`. At any time before `stop` the successor may stop too (`follow`).
 */
export class Departure implements Source {
  readonly #context: DepartureContext;
  readonly #mover: Mover | undefined;
  /** Offers the sockets of other protocols; undefined if none can move. */
  readonly offers: Offers | undefined;
  readonly #begun = new Set<TrackedServer>();
  /** The servers whose connections do not move. */
  readonly staying: Staying;
  /** Servers whose connections stay because the successor is gone; from `settle` on they drain. */
  #stranded: TrackedServer[] = [];
  #stopLooking = () => {};
  #moving: boolean;
  #isOfAll = false;
  #takenBack = false;
  #final = false;
  #settledAt = 0;
  /** Whether no more connections leave; those on their way may still arrive. */
  #over = false;
  #saidLast = false;
  #moved = 0;

  constructor(context: DepartureContext) {
    this.#context = context;
    const { world, protocols, servers, log, waits, to, migrate, idleGrace } = context;
    const onMoved = (address: string) => {
      this.#moved += 1;
      context.onMoved(address);
      this.#changed();
    };
    if (to && servers.all().some((tracked) => servers.migrates(tracked, migrate))) {
      const destination = to.successor;
      this.#mover = new Mover(destination, world, to.slowStart, onMoved, (stayed, gone) =>
        this.#moveNoMore(stayed, gone),
      );
      this.offers = new Offers({
        world,
        protocols,
        log,
        servers: () => servers.all(),
        destination,
        movable: (tracked) => !tracked.secure && this.#leaves(tracked),
        onMoved,
        onBack: () => this.#changed(),
      });
      // Registered last, so that it runs after the handlers of these two.
      void destination.gone.then(() => this.#changed());
    }
    this.#moving = this.#mover !== undefined;
    this.staying = new Staying(world, idleGrace);
    waits.add(this);
  }

  get kind(): 'moving' | 'coming back' {
    return this.#takenBack ? 'coming back' : 'moving';
  }

  get left(): number {
    return this.busy ? 1 : 0;
  }

  /** Begins to move the sockets of protocols other than HTTP. */
  beginSockets(): void {
    this.offers?.begin();
  }

  /** Begins to move the connections of these servers, and drains those that stay. */
  begin(servers: readonly TrackedServer[]): void {
    this.staying.protectIdle(servers);
    this.#context.to?.slowStart.begin(servers.filter((tracked) => this.moves(tracked)));
    for (const tracked of servers) {
      if (this.#begun.has(tracked)) continue;
      this.#begun.add(tracked);
      if (this.moves(tracked)) this.#mover?.move(tracked);
      else this.staying.add(tracked);
    }
    if (!this.#mover) this.#finish();
  }

  /** Rolling back is no longer possible; from now on endless itself may answer late requests. */
  settle({ rejectsLate }: { rejectsLate: boolean }): void {
    this.#final = true;
    this.#settledAt = this.#context.world.now();
    if (rejectsLate) this.staying.rejectLate();
    for (const tracked of this.#stranded.splice(0)) this.staying.add(tracked);
    this.#stopLooking = this.#context.world.every(LOOK_EVERY, () => this.#look());
    this.#look();
  }

  /** Whether the live connections of this server move to the successor. */
  moves(tracked: TrackedServer): boolean {
    const { bound, secure, http, http2 } = tracked;
    return this.#moving && http && !http2 && !secure && bound !== undefined && this.#leaves(tracked);
  }

  /** The successor acknowledges connections: which have arrived, and which are lost. */
  acknowledge(ids: readonly number[], lost: readonly number[]): void {
    this.#mover?.acknowledge(ids, lost);
    this.#maybeLast();
    this.#changed();
  }

  /** The successor answers which of the offered sockets it would serve, and which it refuses. */
  answered(accepted: readonly number[], refused: readonly number[]): void {
    this.offers?.answered(accepted, refused);
    this.#maybeLast();
    this.#changed();
  }

  /** Whether any socket of a protocol other than HTTP may still move. */
  get mayMoveSockets(): boolean {
    return [...this.#context.protocols.sockets.keys()].some((socket) => this.offers?.mayMove(socket));
  }

  /** Whether the successor stops too, so that clients have no process to reconnect to. */
  get isOfAll(): boolean {
    return this.#isOfAll;
  }

  /** Whether a connection is between two owners. */
  get busy(): boolean {
    return Boolean(this.#mover?.busy || this.offers?.busy);
  }

  /** How many connections have arrived at the successor. */
  get moved(): number {
    return this.#moved;
  }

  /** Moves the remaining HTTP connections as fast as possible. */
  hurry(): void {
    this.#mover?.hurry();
  }

  /** Moves no more connections, because the successor stops or none could move: those still here drain. */
  stay(): void {
    if (this.#over) return;
    const here = [...this.#begun].filter((tracked) => this.moves(tracked));
    this.#moving = false;
    this.#finish();
    for (const tracked of here) this.staying.add(tracked);
  }

  /** The successor stops, and this process too: limits how long clients may still use idle connections. */
  follow(idleGrace: number): void {
    this.#isOfAll = true;
    this.staying.limitIdle(idleGrace);
    this.stay();
  }

  /** This process rolls back: connections that the successor has not got yet come back. */
  takeBack(): void {
    this.#takenBack = true;
    this.offers?.takeBack();
    this.stop();
    if (!this.busy) this.#context.waits.remove(this);
  }

  /** Stops the moves and the drain; the connections that are still here stay open. */
  stop(): void {
    this.#finish();
    this.#stopLooking();
    this.staying.stop();
  }

  /** The successor must not wait for connections that never move: a TLS download, a foreign WebSocket. */
  #look(): void {
    if (this.#over || this.busy || this.#context.waits.comesMore) return;
    if (!this.#anyMovable()) this.stay();
  }

  #anyMovable(): boolean {
    const { world, servers, protocols, to } = this.#context;
    // Either side may define a protocol late, and the application may still be deciding on a handshake.
    const early = world.now() - this.#settledAt < PROTOCOL_TIME;
    for (const [socket, { name }] of protocols.sockets)
      if (this.offers?.mayMove(socket) && (early || to?.successor.understands(name))) return true;
    for (const tracked of servers.all()) {
      const undecided = early && protocols.names.length > 0 && !tracked.secure && this.#leaves(tracked);
      for (const socket of tracked.sockets)
        if (speaksHttp(socket) ? this.moves(tracked) : undecided && !protocols.sockets.has(socket))
          return true;
    }
    return false;
  }

  #finish(): void {
    this.#mover?.stop();
    this.offers?.stop();
    this.#over = true;
    this.#maybeLast();
  }

  #maybeLast(): void {
    if (!this.#over || this.busy || this.#saidLast) return;
    this.#saidLast = true;
    this.#context.to?.successor.send({ type: 'last' });
  }

  #moveNoMore(stayed: readonly TrackedServer[], gone: boolean): void {
    this.#moving = false;
    // The successor has died while this process can still roll back.
    if (gone && !this.#final) {
      this.#stranded = [...stayed];
      return;
    }
    this.#context.log.warn('No more connections move to the new process: the rest get a close notice.');
    for (const tracked of stayed) this.staying.add(tracked);
  }

  #leaves(tracked: TrackedServer): boolean {
    const { servers, migrate, to } = this.#context;
    return to !== undefined && servers.migrates(tracked, migrate) && takes(to, tracked);
  }

  #changed(): void {
    if (this.#takenBack && !this.busy) this.#context.waits.remove(this);
    this.#context.waits.changed();
  }
}
