import type { Channel } from '../handoff/channel.js';
import { Outbox } from '../handoff/outbox.js';
import type { ToPredecessor, ToSuccessor } from '../handoff/protocol.js';
import { Reception, type ReceptionContext } from '../migrate/reception.js';
import type { RawHandle } from '../node-private/handle.js';
import type { Release, WaitGroup } from '../wait-group.js';

/** What an older process needs of this one. */
export interface OlderContext extends Omit<ReceptionContext, 'sender'> {
  waits: WaitGroup;
}

/** An older process that still runs, and the connections that come from it. */
export class Older {
  readonly generation: number;
  readonly channel: Channel<ToSuccessor, ToPredecessor>;
  readonly reception: Reception;
  /** Held while another process may read the channel already. */
  readonly #outbox: Outbox<ToPredecessor>;
  readonly #waits: WaitGroup;
  /** Set while connections may still come. */
  #expected: Release | undefined;

  constructor(
    generation: number,
    channel: Channel<ToSuccessor, ToPredecessor>,
    expects: boolean,
    context: OlderContext,
  ) {
    this.generation = generation;
    this.channel = channel;
    this.#outbox = new Outbox(channel);
    this.#waits = context.waits;
    this.reception = new Reception({ ...context, sender: this });
    if (expects) this.expect();
  }

  /** Whether connections may still come. */
  get expects(): boolean {
    return this.#expected !== undefined;
  }

  /** From now on connections may come. */
  expect(): void {
    this.#expected ??= this.#waits.take('older processes');
  }

  /** No more connections come. */
  expectNoMore(): void {
    const expected = this.#expected;
    this.#expected = undefined;
    expected?.();
  }

  /** Resolves when it is gone, or has its channel to another process. */
  get closed(): Promise<void> {
    return this.channel.closed;
  }

  /** Sends it a message. */
  send(message: ToPredecessor): void {
    this.#outbox.send(message);
  }

  /** Stops sending and reading; returns the handle of the channel. */
  suspend(): RawHandle {
    this.#outbox.hold();
    return this.channel.suspend();
  }

  /** Resumes the channel: the process with this pid reads it. */
  resume(pid: number): void {
    if (this.#outbox.held) this.channel.resume();
    this.channel.send({ type: 'resume', pid });
    this.#outbox.flush();
  }
}
