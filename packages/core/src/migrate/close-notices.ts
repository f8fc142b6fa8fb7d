import type { Socket } from 'node:net';
import type { World } from '../world.js';
import type { Protocols } from './protocols.js';

const END_WITHIN = 5_000;
/** How often the moments are looked at. */
const SWEEP = 25;
/** Looking at all of them takes at most one part in so many of the time. */
const BETWEEN_SWEEPS = 20;

/** What the departure of the sockets knows of one of them. */
export interface Leavers {
  /** Whether it may still move. */
  mayMove(socket: Socket): boolean;
  /** Whether it could move now, if others did not go first. */
  waits(socket: Socket): boolean;
}

/** When a socket is told; and when at the latest, if it still waits for its turn to move by then. */
interface Due {
  at: number;
  last: number;
}

/**
 * Tells the sockets that stay, by their own protocol, that this process ends: each at a random moment, so that ten thousand
 * clients do not come back at once. One that may still move has the first half of the time for that, and more while it waits
 * for its turn.
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

  /** Begins; the last is told when half of the time to the deadline (-1: none) is over at the latest. */
  begin(reason: 'restart' | 'shutdown', deadlineMs: number): void {
    const limit = deadlineMs < 0 ? Number.POSITIVE_INFINITY : deadlineMs / 2;
    const sweep = () => this.#sweep(reason, limit);
    this.#cancel = this.#world.every(SWEEP, sweep);
    sweep();
  }

  /** Begins anew if it has begun: the reason or the deadline is another one now. */
  hasten(reason: 'restart' | 'shutdown', deadlineMs: number): void {
    if (!this.#cancel) return;
    this.stop();
    this.#due.clear();
    this.#nextSweep = 0;
    this.begin(reason, deadlineMs);
  }

  /** Whether every socket that can be told has been. */
  get done(): boolean {
    return [...this.#protocols.sockets].every(([socket, { end }]) => !end || this.#told.has(socket));
  }

  /** Tells nobody any more. */
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
