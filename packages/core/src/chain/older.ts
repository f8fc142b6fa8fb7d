import type { Channel } from '../handoff/channel.js';
import { Outbox } from '../handoff/outbox.js';
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
  /** Held while another process may read the channel already. */
  readonly #outbox: Outbox<ToPredecessor>;

  constructor(
    generation: number,
    channel: Channel<ToSuccessor, ToPredecessor>,
    expects: boolean,
    context: OlderContext,
  ) {
    this.generation = generation;
    this.channel = channel;
    this.#outbox = new Outbox(channel);
    this.expects = expects;
    this.reception = new Reception({ ...context, sender: this });
  }

  /** Resolves when it is gone, or talks to another process. */
  get closed(): Promise<void> {
    return this.channel.closed;
  }

  /** Sends it a message. */
  send(message: ToPredecessor): void {
    this.#outbox.send(message);
  }

  /** Sends and reads nothing more; returns the handle of the channel. */
  suspend(): RawHandle {
    this.#outbox.hold();
    return this.channel.suspend();
  }

  /** Goes on, in the process with this pid. */
  resume(pid: number): void {
    if (this.#outbox.held) this.channel.resume();
    this.channel.send({ type: 'resume', pid });
    this.#outbox.flush();
  }
}
