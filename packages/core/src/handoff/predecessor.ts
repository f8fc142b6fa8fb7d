import type { RawHandle } from '../node-private/handle.js';
import type { TakenIpc } from '../node-private/ipc.js';
import type { World } from '../world.js';
import { Channel } from './channel.js';
import { HANDOFF_VARIABLE, type Handoff, type ToPredecessor, type ToSuccessor } from './protocol.js';
import { runPreload } from './run-preload.js';
import { handoffOf, isToSuccessor } from './shapes.js';

/** What the preload leaves for the first copy of endless that looks for it. */
interface Arrival {
  text: string;
  ipc: TakenIpc;
  /** Removes the SIGHUP listener that stood in for the one of endless. */
  handlersAreIn(): void;
  /** Stops sending stderr to the old process. */
  accepting(): void;
  /** Whether `endless run` has started this process, and not its predecessor. */
  supervised?: boolean;
}

/** What the preload leaves if it has refused the handoff: the reason. */
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
   * The process that started this one as its successor, or undefined in generation 0; `refuse` gets the
   * reason if a handoff is invalid. Call `channel.listen` in the same turn: messages are dropped until then.
   */
  static find(world: World, refuse: (why: string) => void): Predecessor | undefined {
    // endless could not put its preload into the command that started this process: run the preload now.
    if (world.env[HANDOFF_VARIABLE] !== undefined) runPreload();
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

  /** The handoff that this process was started with; leaves it in place. */
  static peek(world: World): Handoff | undefined {
    const arrival = Reflect.get(world.globals, ARRIVAL) as Arrival | Refusal | undefined;
    const handoff = arrival && 'text' in arrival ? handoffOf(arrival.text) : '';
    return typeof handoff === 'string' ? undefined : handoff;
  }

  /** Whether the old process may still run. Only its own child knows that for certain. */
  mayRun(world: World): boolean {
    return this.#arrival.supervised === true || world.ppid() === this.handoff.pid;
  }

  /** Sends it a message, with a handle if there is one. */
  send(message: ToPredecessor, handle?: RawHandle): void {
    this.channel.send(message, handle);
  }

  /** Sets whether this process stays alive for it. */
  hold(alive: boolean): void {
    this.channel.hold(alive);
  }

  /** The new process has installed its own signal handlers. */
  handlersAreIn(): void {
    this.#arrival.handlersAreIn();
  }

  /** The new process accepts: it no longer sends its stderr to the old process. */
  accepting(): void {
    this.#arrival.accepting();
    this.send({ type: 'accepting' });
  }
}
