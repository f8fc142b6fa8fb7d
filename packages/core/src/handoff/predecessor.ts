import { createRequire } from 'node:module';
import { ipcEndFrom, type TakenIpc } from '../node-private.js';
import { Channel, type Listener } from './channel.js';
import { HANDOFF_VARIABLE, type Handoff, type ToPredecessor, type ToSuccessor } from './protocol.js';

/** What the preload leaves for the first copy of endless that asks. */
interface Arrival {
  text: string;
  ipc: TakenIpc;
  /** Takes off the SIGHUP listener that stood in for ours. */
  handlersAreIn(): void;
  /** Stops telling the old process what goes to stderr. */
  accepting(): void;
}

const ARRIVAL = Symbol.for('endless.arrival');

/** The old process as the new one sees it. */
export class Predecessor {
  readonly handoff: Handoff;
  /** Resolves when the old process is gone. */
  readonly closed: Promise<void>;
  readonly #arrival: Arrival;
  readonly #channel: Channel<ToSuccessor, ToPredecessor>;

  private constructor(arrival: Arrival, listener: Listener<ToSuccessor>) {
    this.handoff = JSON.parse(arrival.text);
    this.#arrival = arrival;
    this.#channel = new Channel<ToSuccessor, ToPredecessor>(ipcEndFrom(arrival.ipc), listener);
    this.closed = this.#channel.closed;
  }

  /** The process that started this one as its successor, or undefined in generation 0. */
  static find(listener: Listener<ToSuccessor>): Predecessor | undefined {
    // Started by a command that endless could not put its preload into: what that does is done now.
    if (process.env[HANDOFF_VARIABLE] !== undefined) createRequire(import.meta.url)('./preload.cjs');
    const arrival = Reflect.get(globalThis, ARRIVAL) as Arrival | undefined;
    if (!arrival) return undefined;
    Reflect.deleteProperty(globalThis, ARRIVAL);
    return new Predecessor(arrival, listener);
  }

  /** The generation that this process was started as, without taking anything. */
  static generation(): number {
    const arrival = Reflect.get(globalThis, ARRIVAL) as Arrival | undefined;
    return arrival ? (JSON.parse(arrival.text) as Handoff).generation : 0;
  }

  /** Says a word to it. */
  send(message: ToPredecessor): void {
    this.#channel.send(message);
  }

  /** Whether this process waits for it. */
  hold(alive: boolean): void {
    this.#channel.hold(alive);
  }

  /** The new process's own signal handlers are in. */
  handlersAreIn(): void {
    this.#arrival.handlersAreIn();
  }

  /** The new process accepts: what it writes from now on is its own affair. */
  accepting(): void {
    this.#arrival.accepting();
    this.send({ type: 'accepting' });
  }
}
