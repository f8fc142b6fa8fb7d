import type { TrackedServer } from '../connections/tracked-server.js';
import { drainConnections, protectIdle } from '../drain/drain.js';
import { endIdle } from '../drain/idle.js';
import { rejectLate } from '../drain/late.js';
import type { Log } from '../log.js';
import { speaksHttp } from '../node-private/http.js';
import type { World } from '../world.js';
import { type Destination, Mover } from './mover.js';
import { Offers, type SocketDestination } from './offers.js';
import type { Protocols } from './protocols.js';
import type { SlowStart } from './slow-start.js';

/** What the departure of connections needs of the process that they leave. */
export interface DepartureContext {
  world: World;
  protocols: Protocols;
  servers(): readonly TrackedServer[];
  log: Log;
  /** Where live connections go on a restart; undefined where none can. */
  destination: (Destination & SocketDestination) | undefined;
  /** How fast they may go there. */
  slowStart: SlowStart | undefined;
  /** Whether a successor serves the address of this server from now on. */
  leaves(tracked: TrackedServer): boolean;
  /** Milliseconds that an idle connection may still be used. */
  idleGrace: number;
  /** A connection has arrived at its destination. */
  onMoved(address: string): void;
  /** Connections that were on their way may have come back. */
  onBack(): void;
  /** Whether connections may still come from the process before this one. */
  expectsConnections(): boolean;
  /** No other connection will move. */
  onLast(): void;
}

/** How often it is looked whether any connection is left that could move. */
const LOOK_EVERY = 100;
/** How long a socket that speaks no HTTP any more may take to become one of a protocol that moves. */
const PROTOCOL_TIME = 10_000;

/** The connections of a process on their way out: those that can, move to the successor; the others are told to close. */
export class Departure {
  readonly #context: DepartureContext;
  readonly #mover: Mover | undefined;
  /** The sockets of other protocols that leave; undefined where none can. */
  readonly offers: Offers | undefined;
  readonly #begun = new Set<TrackedServer>();
  /** Servers whose connections stay here, and are told to close. */
  readonly #staying = new Set<TrackedServer>();
  /** Servers whose connections cannot move any more because the successor is gone; what becomes of them is not decided. */
  #stranded: TrackedServer[] = [];
  readonly #undo: (() => void)[] = [];
  #moving: boolean;
  #idleGrace: number;
  #isOfAll = false;
  #rejectsLate = false;
  #final = false;
  #settledAt = 0;
  /** Whether nothing more leaves; what is on its way may still arrive. */
  #over = false;
  #saidLast = false;
  #moved = 0;

  constructor(context: DepartureContext) {
    this.#context = context;
    const { destination, world, slowStart, leaves } = context;
    const onMoved = (address: string) => {
      this.#moved += 1;
      context.onMoved(address);
    };
    this.#mover =
      destination &&
      slowStart &&
      new Mover(destination, world, slowStart, onMoved, (stayed, gone) => this.#moveNoMore(stayed, gone));
    this.offers =
      destination &&
      new Offers({
        ...context,
        destination,
        movable: (tracked) => !tracked.secure && leaves(tracked),
        onMoved,
      });
    this.#moving = this.#mover !== undefined;
    this.#idleGrace = context.idleGrace;
  }

  /** Begins with the sockets of other protocols than HTTP. */
  beginSockets(): void {
    this.offers?.begin();
  }

  /** From now on nobody cuts idle connections of these servers, such as an application that closes one. */
  protectIdle(servers: readonly TrackedServer[]): void {
    for (const tracked of servers) if (!tracked.idleProtected) this.#undo.push(protectIdle(tracked));
  }

  /** Begins with the connections of these servers. */
  begin(servers: readonly TrackedServer[]): void {
    this.protectIdle(servers);
    this.#context.slowStart?.begin(servers.filter((tracked) => this.moves(tracked)));
    for (const tracked of servers) {
      if (this.#begun.has(tracked)) continue;
      this.#begun.add(tracked);
      if (this.moves(tracked)) this.#mover?.move(tracked);
      else this.#drain(tracked);
    }
    if (!this.#mover) this.#finish();
  }

  /** There is no way back any more; from now on late requests may be answered by endless itself. */
  settle({ rejectsLate }: { rejectsLate: boolean }): void {
    this.#final = true;
    this.#settledAt = this.#context.world.now();
    this.#rejectsLate = rejectsLate;
    if (rejectsLate) for (const tracked of this.#staying) this.#reject(tracked);
    for (const tracked of this.#stranded.splice(0)) this.#drain(tracked);
    this.#undo.push(this.#context.world.every(LOOK_EVERY, () => this.#look()));
    this.#look();
  }

  /** Whether the connections of this server go to the successor alive. */
  moves(tracked: TrackedServer): boolean {
    const { bound, secure, http, http2 } = tracked;
    return this.#moving && http && !http2 && !secure && bound !== undefined && this.#context.leaves(tracked);
  }

  /** The successor says which of the connections that were sent to it have arrived. */
  acknowledge(ids: readonly number[], lost: readonly number[]): void {
    this.#mover?.acknowledge(ids, lost);
    this.#maybeLast();
  }

  /** The successor says which of the sockets that were offered to it it would serve. */
  answered(accepted: readonly number[], refused: readonly number[]): void {
    this.offers?.answered(accepted, refused);
    this.#maybeLast();
    this.#context.onBack();
  }

  /** Whether any socket of another protocol may still move. */
  get mayMoveSockets(): boolean {
    return [...this.#context.protocols.sockets.keys()].some((socket) => this.offers?.mayMove(socket));
  }

  /** Milliseconds that an idle connection may still be used. */
  get idleGrace(): number {
    return this.#idleGrace;
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
    for (const tracked of here) this.#drain(tracked);
  }

  /** The successor stops, and this process with it: idle connections have so many milliseconds, if that is less than they had. */
  follow(idleGrace: number): void {
    this.#isOfAll = true;
    if (idleGrace < this.#idleGrace) {
      this.#idleGrace = idleGrace;
      for (const tracked of this.#staying)
        if (tracked.http) this.#undo.push(endIdle(tracked, idleGrace, this.#context.world));
    }
    this.stay();
  }

  /** The successor is sent away: what it has not got yet comes back. */
  takeBack(): void {
    this.offers?.takeBack();
    this.stop();
  }

  /** Lets the connections that are still here be. */
  stop(): void {
    this.#finish();
    for (const fn of this.#undo.splice(0).reverse()) fn();
  }

  /** Who waits for what may still come shall not wait for those that never move: a download over TLS, a foreign WebSocket. */
  #look(): void {
    if (this.#over || this.busy || this.#context.expectsConnections()) return;
    if (!this.#anyMovable()) this.stay();
  }

  #anyMovable(): boolean {
    const { world, servers, protocols, destination, leaves } = this.#context;
    // A protocol may be told late on either side, and a handshake may still be thought about.
    const early = world.now() - this.#settledAt < PROTOCOL_TIME;
    for (const [socket, { name }] of protocols.sockets)
      if (this.offers?.mayMove(socket) && (early || destination?.understands(name))) return true;
    for (const tracked of servers()) {
      const undecided = early && protocols.names.length > 0 && !tracked.secure && leaves(tracked);
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
    this.#context.onLast();
  }

  #moveNoMore(stayed: readonly TrackedServer[], gone: boolean): void {
    this.#moving = false;
    // The successor has died while this process can still roll back.
    if (gone && !this.#final) {
      this.#stranded = [...stayed];
      return;
    }
    this.#context.log.warn('The successor takes no more connections: those that are left are told to close.');
    for (const tracked of stayed) this.#drain(tracked);
  }

  #drain(tracked: TrackedServer): void {
    this.#staying.add(tracked);
    if (this.#rejectsLate) this.#reject(tracked);
    this.#undo.push(drainConnections(tracked, this.#idleGrace, this.#context.world));
  }

  #reject(tracked: TrackedServer): void {
    if (tracked.hearsRequests) this.#undo.push(rejectLate(tracked));
  }
}
