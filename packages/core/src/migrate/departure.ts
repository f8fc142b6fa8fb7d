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

/** What the departure of connections needs of the process that they leave. */
export interface DepartureContext {
  world: World;
  protocols: Protocols;
  servers: Servers;
  log: Log;
  waits: WaitGroup;
  /** Undefined in a shutdown: then every connection stays. */
  to: Target | undefined;
  /** Whether connections move of servers for which the application has not decided it. */
  migrate: boolean;
  /** Milliseconds that an idle connection may still be used. */
  idleGrace: number;
  /** A connection has arrived at its destination. */
  onMoved(address: string): void;
}

/** How often it is looked whether any connection is left that could move. */
const LOOK_EVERY = 100;
/** How long a socket that speaks no HTTP any more may take to become one of a protocol that moves. */
const PROTOCOL_TIME = 10_000;

/**
 * The connections of a process on their way out: those that can, move to the successor; the others are told to close.
 *
 * A restart calls `beginSockets` and `begin` when the rollback window opens, and then either `takeBack`, or `hurry` at the
 * commit. From there on it goes as a shutdown does: `begin` with every server, `settle`, `stop`. At any time before `stop`
 * the successor may stop too (`follow`).
 */
export class Departure implements Source {
  readonly #context: DepartureContext;
  readonly #mover: Mover | undefined;
  /** The sockets of other protocols that leave; undefined where none can. */
  readonly offers: Offers | undefined;
  readonly #begun = new Set<TrackedServer>();
  /** The servers whose connections do not move. */
  readonly staying: Staying;
  /** Servers whose connections cannot move any more because the successor is gone; what becomes of them is not decided. */
  #stranded: TrackedServer[] = [];
  #stopLooking = () => {};
  #moving: boolean;
  #isOfAll = false;
  #takenBack = false;
  #final = false;
  #settledAt = 0;
  /** Whether nothing more leaves; what is on its way may still arrive. */
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
      // After what these two do then.
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

  /** Begins with the sockets of other protocols than HTTP. */
  beginSockets(): void {
    this.offers?.begin();
  }

  /** Begins with the connections of these servers. */
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

  /** There is no way back any more; from now on late requests may be answered by endless itself. */
  settle({ rejectsLate }: { rejectsLate: boolean }): void {
    this.#final = true;
    this.#settledAt = this.#context.world.now();
    if (rejectsLate) this.staying.rejectLate();
    for (const tracked of this.#stranded.splice(0)) this.staying.add(tracked);
    this.#stopLooking = this.#context.world.every(LOOK_EVERY, () => this.#look());
    this.#look();
  }

  /** Whether the connections of this server go to the successor alive. */
  moves(tracked: TrackedServer): boolean {
    const { bound, secure, http, http2 } = tracked;
    return this.#moving && http && !http2 && !secure && bound !== undefined && this.#leaves(tracked);
  }

  /** The successor says which of the connections that were sent to it have arrived. */
  acknowledge(ids: readonly number[], lost: readonly number[]): void {
    this.#mover?.acknowledge(ids, lost);
    this.#maybeLast();
    this.#changed();
  }

  /** The successor says which of the sockets that were offered to it it would serve. */
  answered(accepted: readonly number[], refused: readonly number[]): void {
    this.offers?.answered(accepted, refused);
    this.#maybeLast();
    this.#changed();
  }

  /** Whether any socket of another protocol may still move. */
  get mayMoveSockets(): boolean {
    return [...this.#context.protocols.sockets.keys()].some((socket) => this.offers?.mayMove(socket));
  }

  /** Whether the successor stops as well, so that there is nobody to come back to. */
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

  /** Whoever leaves leaves now. */
  hurry(): void {
    this.#mover?.hurry();
  }

  /** Nobody leaves any more, since the successor stops or nobody could: who is still here is told to close. */
  stay(): void {
    if (this.#over) return;
    const here = [...this.#begun].filter((tracked) => this.moves(tracked));
    this.#moving = false;
    this.#finish();
    for (const tracked of here) this.staying.add(tracked);
  }

  /** The successor stops, and this process with it: idle connections have so many milliseconds, if that is less than they had. */
  follow(idleGrace: number): void {
    this.#isOfAll = true;
    this.staying.limitIdle(idleGrace);
    this.stay();
  }

  /** The successor is sent away: what it has not got yet comes back. */
  takeBack(): void {
    this.#takenBack = true;
    this.offers?.takeBack();
    this.stop();
    if (!this.busy) this.#context.waits.remove(this);
  }

  /** Lets the connections that are still here be. */
  stop(): void {
    this.#finish();
    this.#stopLooking();
    this.staying.stop();
  }

  /** Who waits for what may still come shall not wait for those that never move: a download over TLS, a foreign WebSocket. */
  #look(): void {
    if (this.#over || this.busy || this.#context.waits.comesMore) return;
    if (!this.#anyMovable()) this.stay();
  }

  #anyMovable(): boolean {
    const { world, servers, protocols, to } = this.#context;
    // A protocol may be told late on either side, and a handshake may still be thought about.
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
    this.#context.log.warn('The successor takes no more connections: those that are left are told to close.');
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
