import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { idleConnections } from '../connections/activity.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import type { MovingConnection } from '../handoff/protocol.js';
import { label } from '../listen/address.js';
import { detachHandle, stopReading } from '../node-private/connection.js';
import type { RawHandle } from '../node-private/handle.js';
import { currentResponse, speaksHttp } from '../node-private/http.js';
import type { World } from '../world.js';
import { isUsed, serveOn } from './serve.js';
import type { SlowStart } from './slow-start.js';

/** How many connections may be on their way at once: enough to keep the channel busy, and few enough that none waits long. */
const WINDOW = 64;
/** How many are sent in one turn of the event loop: between two turns both processes answer requests. */
const PER_TURN = 32;
/** A look takes at most one part in so many of the time. */
const BETWEEN_LOOKS = 4;
/** How often connections are looked for that became free unnoticed. */
const LOOK_EVERY = 50;

/** A connection that was found idle. */
interface Found {
  tracked: TrackedServer;
  bytesRead: number;
}

/** Where moved connections go. */
export interface Destination {
  /** Sends one; it is answered with {@link Mover.acknowledge}. */
  send(message: MovingConnection, handle: RawHandle): void;
  /** Whether nothing can be sent for the moment. */
  readonly paused: boolean;
  /** Whether this process waits for the answers. */
  hold(alive: boolean): void;
  /** Resolves when nobody is there any more. */
  readonly gone: Promise<unknown>;
}

/**
 * Moves the live HTTP/1.1 connections of plaintext servers to the successor, each at a moment when it is idle.
 *
 * A connection has one owner at any time. It is found idle and its reading stopped in one turn, so that no byte can come
 * between: what the client sends from then on waits in the kernel. Our copy of the handle is closed only when the
 * successor says that it serves the connection; if it dies before that, the connection is served here again.
 */
export class Mover {
  readonly #destination: Destination;
  readonly #world: World;
  readonly #servers = new Set<TrackedServer>();
  readonly #slowStart: SlowStart;
  /** Idle connections that were busy lately: their next request may be on its way, so they go first, as many as may. */
  readonly #busy = new Map<Socket, Found>();
  /** Idle connections that are at rest. */
  readonly #resting = new Map<Socket, Found>();
  readonly #onTheWay = new Map<number, { tracked: TrackedServer; handle: RawHandle; used: boolean }>();
  readonly #undo: (() => void)[] = [];
  readonly #onMoved: (address: string) => void;
  readonly #onGivenUp: (servers: TrackedServer[], gone: boolean) => void;
  #nextId = 0;
  #scheduled = false;
  #dirty = false;
  #nextLook = 0;
  /** Set while no more busy connections may move. */
  #wakeUp: (() => void) | undefined;
  #stopped = false;

  /**
   * `onMoved` is told of every connection that has arrived, `onGivenUp` of the servers whose connections stay because the
   * successor is `gone` or cannot take them.
   */
  constructor(
    destination: Destination,
    world: World,
    slowStart: SlowStart,
    onMoved: (address: string) => void,
    onGivenUp: (servers: TrackedServer[], gone: boolean) => void,
  ) {
    this.#destination = destination;
    this.#world = world;
    this.#slowStart = slowStart;
    this.#onMoved = onMoved;
    this.#onGivenUp = onGivenUp;
    void destination.gone.then(() => this.#giveUp([...this.#onTheWay.keys()], true));
  }

  /** Begins to move the connections of a server. */
  move(tracked: TrackedServer): void {
    this.#servers.add(tracked);
    tracked.onRequest = (response) => {
      // While none may move, this comparison is all that a request costs.
      if (!this.#wakeUp) this.#lookAfter(response);
    };
    this.#undo.push(() => {
      tracked.onRequest = undefined;
    });
    // One that comes from the process before this one goes on before anything is read here.
    const onConnection = (socket: Socket) => {
      if (socket.bytesRead > 0) return;
      this.#busy.set(socket, { tracked, bytesRead: 0 });
      this.#schedule();
    };
    tracked.server.on('connection', onConnection);
    this.#undo.push(() => tracked.server.off('connection', onConnection));
    this.#lookAfterAll(tracked);
    if (this.#servers.size === 1)
      this.#undo.push(this.#world.every(LOOK_EVERY, () => this.#schedule(this.#resting.size === 0)));
    this.#look();
  }

  /** The successor serves these connections. */
  acknowledge(ids: readonly number[], lost: readonly number[]): void {
    for (const id of ids) {
      const moved = this.#onTheWay.get(id);
      if (!moved) continue;
      this.#onTheWay.delete(id);
      moved.handle.close();
      if (moved.tracked.bound) this.#onMoved(label(moved.tracked.bound));
    }
    if (!this.busy) this.#destination.hold(false);
    if (lost.length > 0) this.#giveUp(lost, false);
    else this.#schedule();
  }

  /** Whether a connection is between two owners. */
  get busy(): boolean {
    return this.#onTheWay.size > 0;
  }

  /** Moves the rest as fast as it can. */
  hurry(): void {
    this.#slowStart.hurry();
    this.#wakeUp?.();
    for (const tracked of this.#servers) this.#lookAfterAll(tracked);
    this.#schedule(true);
  }

  /** Sends nothing more; what is on its way arrives. */
  stop(): void {
    this.#stopped = true;
    for (const fn of this.#undo.splice(0)) fn();
    this.#wakeUp?.();
    this.#busy.clear();
    this.#resting.clear();
  }

  /** These come back, and nothing more is sent. */
  #giveUp(ids: readonly number[], gone: boolean): void {
    const first = !this.#stopped;
    this.stop();
    for (const id of ids) {
      const kept = this.#onTheWay.get(id);
      this.#onTheWay.delete(id);
      if (kept) serveOn(kept.tracked, kept.handle, kept.used);
    }
    if (first) this.#onGivenUp([...this.#servers], gone);
  }

  #lookAfterAll({ sockets }: TrackedServer): void {
    for (const socket of sockets) {
      const response = currentResponse(socket);
      if (response) this.#lookAfter(response);
    }
  }

  #lookAfter(response: ServerResponse): void {
    response.once('close', () => {
      if (!this.#wakeUp) this.#schedule(true);
    });
  }

  /** Goes on in the next turn, after a look at what is idle now if something has changed. */
  #schedule(look = false): void {
    this.#dirty ||= look;
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#world.turn(() => {
      this.#scheduled = false;
      if (this.#dirty && this.#world.now() >= this.#nextLook) this.#look();
      else this.#pump();
    });
  }

  /** Finds the connections that are idle now; with many of them that takes a while, and others want to be served too. */
  #look(): void {
    if (this.#stopped) return;
    this.#dirty = false;
    const began = this.#world.now();
    for (const tracked of this.#servers)
      for (const socket of idleConnections(tracked)) {
        const found = this.#slowStart.rests(socket) ? this.#resting : this.#busy;
        found.set(socket, { tracked, bytesRead: socket.bytesRead });
      }
    const ended = this.#world.now();
    this.#nextLook = ended + (ended - began) * BETWEEN_LOOKS;
    this.#pump();
  }

  #pump(): void {
    if (this.#stopped || this.#destination.paused) return;
    let sent = 0;
    for (const found of [this.#busy, this.#resting])
      for (const [socket, { tracked, bytesRead }] of found) {
        if (this.#onTheWay.size >= WINDOW) return;
        if (found === this.#busy && this.#slowStart.wait > 0) {
          this.#wakeAfter(this.#slowStart.wait);
          break;
        }
        if (sent === PER_TURN) {
          this.#schedule();
          return;
        }
        found.delete(socket);
        if (!this.#send(socket, tracked, bytesRead)) continue;
        sent += 1;
        if (found === this.#busy) this.#slowStart.moves();
      }
  }

  /** Looks again when one more busy connection may move. */
  #wakeAfter(ms: number): void {
    this.#wakeUp?.();
    const cancel = this.#world.after(ms, () => {
      this.#wakeUp = undefined;
      this.#schedule(true);
    });
    this.#wakeUp = () => {
      this.#wakeUp = undefined;
      cancel();
    };
  }

  /** Sends a connection if it is idle still: it was when it was found, and has read nothing since. */
  #send(socket: Socket, tracked: TrackedServer, bytesRead: number): boolean {
    // Otherwise it is found again after its answer.
    if (socket.destroyed || socket.bytesRead !== bytesRead || socket.writableLength > 0) return false;
    if (!speaksHttp(socket) || currentResponse(socket)) return false;
    if (!tracked.bound || !stopReading(socket)) return false;
    const used = isUsed(socket);
    const handle = detachHandle(socket);
    const id = this.#nextId++;
    // Without its connections nothing else may keep this process alive until the successor has answered.
    if (this.#onTheWay.size === 0) this.#destination.hold(true);
    this.#onTheWay.set(id, { tracked, handle, used });
    this.#destination.send({ type: 'connection', id, address: label(tracked.bound), used }, handle);
    return true;
  }
}
