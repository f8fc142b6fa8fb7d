import type { Socket } from 'node:net';
import type { World } from '../world.js';
import type { Protocols } from './protocols.js';

const END_WITHIN = 5_000;
/** Milliseconds between two looks for due close notices. */
const SWEEP = 25;
/** After a look at all sockets, no other begins for this many times as long as it took. */
const BETWEEN_SWEEPS = 20;

/** What the departure of the sockets knows about one of them. */
export interface Leavers {
  /** Whether it may still move. */
  mayMove(socket: Socket): boolean;
  /** Whether it could move now, if other sockets did not move first. */
  waits(socket: Socket): boolean;
}

/** When a socket gets its close notice; `last` applies while it waits for its turn to move. */
interface Due {
  at: number;
  last: number;
}

/**
 * Sends the sockets that stay a close notice of their own protocol. Each gets it at a random moment, so that
 * ten thousand clients do not reconnect at once. A socket that may still move has the first half of the time
 * to do so, and longer while it waits for its turn.
 */
export class CloseNotices {
  readonly #protocols: Protocols;
  readonly #world: World;
  readonly #leavers: Leavers | undefined;
  readonly #due = new Map<Socket, Due>();
  readonly #told = new WeakSet<Socket>();
  #cancel: (() => void) | undefined;
  #nextSweep = 0;

  constructor(protocols: Protocols, world: World, leavers: Leavers | undefined) {
    this.#protocols = protocols;
    this.#world = world;
    this.#leavers = leavers;
  }

  /** Begins; the last notice is sent in the first half of the time to the deadline (-1: no deadline). */
  begin(reason: 'restart' | 'shutdown', deadlineMs: number): void {
    const limit = deadlineMs < 0 ? Number.POSITIVE_INFINITY : deadlineMs / 2;
    const sweep = () => this.#sweep(reason, limit);
    this.#cancel = this.#world.every(SWEEP, sweep);
    sweep();
  }

  /** Begins again if it has begun, because the reason or the deadline has changed. */
  hasten(reason: 'restart' | 'shutdown', deadlineMs: number): void {
    if (!this.#cancel) return;
    this.stop();
    this.#due.clear();
    this.#nextSweep = 0;
    this.begin(reason, deadlineMs);
  }

  /** Whether every socket that can get a close notice has got it. */
  get done(): boolean {
    return [...this.#protocols.sockets].every(([socket, { end }]) => !end || this.#told.has(socket));
  }

  /** Sends no more close notices. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #sweep(reason: 'restart' | 'shutdown', limit: number): void {
    const now = this.#world.now();
    if (now < this.#nextSweep) return;
    const { sockets } = this.#protocols;
    for (const socket of this.#due.keys()) if (!sockets.has(socket)) this.#due.delete(socket);
    for (const [socket, protocol] of sockets) {
      if (!protocol.end || this.#told.has(socket)) continue;
      const due = this.#due.get(socket) ?? this.#draw(socket, protocol.endWithin ?? END_WITHIN, limit);
      if (due.at > now || (due.last > now && this.#leavers?.waits(socket))) this.#due.set(socket, due);
      else {
        this.#due.delete(socket);
        this.#told.add(socket);
        this.#protocols.end(socket, protocol, reason);
      }
    }
    const ended = this.#world.now();
    this.#nextSweep = ended + (ended - now) * BETWEEN_SWEEPS;
  }

  #draw(socket: Socket, endWithin: number, limit: number): Due {
    const now = this.#world.now();
    const share = this.#leavers?.mayMove(socket) ? 0.5 + this.#world.random() / 2 : this.#world.random();
    return { at: now + Math.min(endWithin, limit) * share, last: now + limit * share };
  }
}
