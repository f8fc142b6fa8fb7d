import type { Channel } from '../handoff/channel.js';
import type { ToPredecessor, ToSuccessor } from '../handoff/protocol.js';
import { Reception, type ReceptionContext } from '../migrate/reception.js';
import type { RawHandle } from '../node-private/handle.js';

/** What an older process needs of this one. */
export type OlderContext = Omit<ReceptionContext, 'sender'>;

/** A process before this one that still lives, and what comes from it. */
export class Older {
  readonly generation: number;
  readonly channel: Channel<ToSuccessor, ToPredecessor>;
  readonly reception: Reception;
  /** Whether connections may still come. */
  expects: boolean;
  /** Set while another process may read the channel already: what is said then waits. */
  #waiting: ToPredecessor[] | undefined;

  constructor(
    generation: number,
    channel: Channel<ToSuccessor, ToPredecessor>,
    expects: boolean,
    context: OlderContext,
  ) {
    this.generation = generation;
    this.channel = channel;
    this.expects = expects;
    this.reception = new Reception({ ...context, sender: this });
  }

  /** Resolves when it is gone, or talks to another process. */
  get closed(): Promise<void> {
    return this.channel.closed;
  }

  /** Says a word to it. */
  send(message: ToPredecessor): void {
    if (this.#waiting) this.#waiting.push(message);
    else this.channel.send(message);
  }

  /** Says and reads nothing more; returns the handle of the channel. */
  suspend(): RawHandle {
    this.#waiting = [];
    return this.channel.suspend();
  }

  /** Goes on, in the process with this pid. */
  resume(pid: number): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) this.channel.resume();
    this.send({ type: 'resume', pid });
    for (const message of waiting ?? []) this.send(message);
  }
}
