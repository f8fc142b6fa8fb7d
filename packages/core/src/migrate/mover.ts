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

/** How many connections may be on their way at once: the channel stays busy, and none waits long. */
const WINDOW = 64;
/** How many to send in one turn of the event loop: between two turns both processes answer requests. */
const PER_TURN = 32;
/** After a look, no other begins for this many times as long as it took. */
const BETWEEN_LOOKS = 4;
/** How often to look for connections that became idle unnoticed. */
const LOOK_EVERY = 50;

/** A connection that was found idle. */
interface Found {
  tracked: TrackedServer;
  bytesRead: number;
}

/** Where moved connections go. */
export interface Destination {
  /** Sends a connection; the answer goes to {@link Mover.acknowledge}. */
  send(message: MovingConnection, handle: RawHandle): void;
  /** Whether nothing can be sent at the moment. */
  readonly paused: boolean;
  /** Sets whether waiting for the answers keeps this process alive. */
  hold(alive: boolean): void;
  /** Resolves when the destination is gone. */
  readonly gone: Promise<unknown>;
}

/**
 * Moves live HTTP/1.1 connections of plaintext servers to the successor, each at a moment when it is idle.
 *
 * A connection has one owner at any time. The mover finds it idle and stops its reading in one turn, so that
 * no byte can come between: what the client sends from then on waits in the kernel. The mover closes its own
 * copy of the handle only when the successor acknowledges the connection. If the successor dies before that,
 * this process serves the connection again.
 */
export class Mover {
  readonly #destination: Destination;
  readonly #world: World;
  readonly #servers = new Set<TrackedServer>();
  readonly #slowStart: SlowStart;
  /** Idle connections that were busy lately: a request may be on its way, so as many as may move first. */
  readonly #busy = new Map<Socket, Found>();
  /** Idle connections that have been silent since the restart began. */
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
   * `onMoved` is called for every connection that has arrived. `onGivenUp` gets the servers whose connections
   * stay because the successor is `gone` or cannot take them.
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
      // While no connection may move, this comparison is all that a request costs.
      if (!this.#wakeUp) this.#lookAfter(response);
    };
    this.#undo.push(() => {
      tracked.onRequest = undefined;
    });
    // A connection that comes from the predecessor moves on before anything is read here.
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

  /** The successor serves the connections `ids`; the `lost` ones come back. */
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

  /** Moves the rest as fast as possible. */
  hurry(): void {
    this.#slowStart.hurry();
    this.#wakeUp?.();
    for (const tracked of this.#servers) this.#lookAfterAll(tracked);
    this.#schedule(true);
  }

  /** Sends no more connections; those on their way still arrive. */
  stop(): void {
    this.#stopped = true;
    for (const fn of this.#undo.splice(0)) fn();
    this.#wakeUp?.();
    this.#busy.clear();
    this.#resting.clear();
  }

  /** Serves these connections here again, and sends no more. */
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

  /** Continues in the next turn, and first looks for idle connections if something has changed. */
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

  /** Finds the connections that are idle now; with many of them, requests have to wait meanwhile. */
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

  /** Sends a connection if it is still idle: it was idle when found, and has read nothing since. */
  #send(socket: Socket, tracked: TrackedServer, bytesRead: number): boolean {
    // If not, a later look finds it again, after its response.
    if (socket.destroyed || socket.bytesRead !== bytesRead || socket.writableLength > 0) return false;
    if (!speaksHttp(socket) || currentResponse(socket)) return false;
    if (!tracked.bound || !stopReading(socket)) return false;
    const used = isUsed(socket);
    const handle = detachHandle(socket);
    const id = this.#nextId++;
    // Without its connections, nothing else may keep this process alive until the successor has answered.
    if (this.#onTheWay.size === 0) this.#destination.hold(true);
    this.#onTheWay.set(id, { tracked, handle, used });
    this.#destination.send({ type: 'connection', id, address: label(tracked.bound), used }, handle);
    return true;
  }
}
