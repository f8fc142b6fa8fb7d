import { builtin } from '../builtin.js';
import type { RawHandle } from '../node-private/handle.js';
import type { TakenIpc } from '../node-private/ipc.js';
import type { World } from '../world.js';
import { Channel } from './channel.js';
import { HANDOFF_VARIABLE, type Handoff, type ToPredecessor, type ToSuccessor } from './protocol.js';
import { handoffOf, isToSuccessor } from './shapes.js';

/** What the preload leaves for the first copy of endless that asks. */
interface Arrival {
  text: string;
  ipc: TakenIpc;
  /** Takes off the SIGHUP listener that stood in for ours. */
  handlersAreIn(): void;
  /** Stops telling the old process what goes to stderr. */
  accepting(): void;
}

/** What it leaves where it did not believe what it found: why. */
interface Refusal {
  refused: string;
}

const ARRIVAL = Symbol.for('endless.arrival');

/** The old process as the new one sees it. */
export class Predecessor {
  readonly handoff: Handoff;
  /** Resolves when the old process is gone. */
  readonly closed: Promise<void>;
  readonly #arrival: Arrival;
  readonly channel: Channel<ToSuccessor, ToPredecessor>;

  private constructor(world: World, handoff: Handoff, arrival: Arrival) {
    this.handoff = handoff;
    this.#arrival = arrival;
    this.channel = new Channel(
      world,
      `generation ${handoff.generation - 1}, pid ${handoff.pid}`,
      world.ipc.from(arrival.ipc),
      isToSuccessor,
      () => {},
    );
    this.closed = this.channel.closed;
  }

  /**
   * The process that started this one as its successor, or undefined in generation 0; `refuse` gets the reason if a
   * handoff is invalid. Messages are dropped until `channel.listen` is called, which has to be in the same turn.
   */
  static find(world: World, refuse: (why: string) => void): Predecessor | undefined {
    // Started by a command that endless could not put its preload into: what that does is done now.
    if (world.env[HANDOFF_VARIABLE] !== undefined)
      builtin('node:module').createRequire(import.meta.url)('./preload.cjs');
    const arrival = Reflect.get(world.globals, ARRIVAL) as Arrival | Refusal | undefined;
    if (!arrival) return undefined;
    Reflect.deleteProperty(world.globals, ARRIVAL);
    if ('refused' in arrival) {
      refuse(arrival.refused);
      return undefined;
    }
    const handoff = handoffOf(arrival.text);
    if (typeof handoff !== 'string') return new Predecessor(world, handoff, arrival);
    refuse(handoff);
    arrival.handlersAreIn();
    arrival.accepting();
    return undefined;
  }

  /** The handoff that this process was started with, without taking anything. */
  static peek(world: World): Handoff | undefined {
    const arrival = Reflect.get(world.globals, ARRIVAL) as Arrival | Refusal | undefined;
    const handoff = arrival && 'text' in arrival ? handoffOf(arrival.text) : '';
    return typeof handoff === 'string' ? undefined : handoff;
  }

  /** Says a word to it, with a handle if there is one. */
  send(message: ToPredecessor, handle?: RawHandle): void {
    this.channel.send(message, handle);
  }

  /** Whether this process waits for it. */
  hold(alive: boolean): void {
    this.channel.hold(alive);
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
