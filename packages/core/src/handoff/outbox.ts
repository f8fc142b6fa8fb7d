import type { RawHandle } from '../node-private/handle.js';
import type { Channel } from './channel.js';

/** The messages to another process; they wait while it is undecided which process reads the channel. */
export class Outbox<Out extends object> {
  readonly #channel: Pick<Channel<object, Out>, 'send' | 'open'>;
  #waiting: Out[] | undefined;
  #flushed: () => void = () => {};

  constructor(channel: Pick<Channel<object, Out>, 'send' | 'open'>) {
    this.#channel = channel;
  }

  /** Whether messages wait, so that no handle may be sent. */
  get held(): boolean {
    return this.#waiting !== undefined;
  }

  /** Sends a message, with a handle if there is one; without a handle it waits while the box is held. */
  send(message: Out, handle?: RawHandle): void {
    if (this.#waiting && this.#channel.open) this.#waiting.push(message);
    else this.#channel.send(message, handle);
  }

  /** Makes messages wait from now on. */
  hold(): void {
    this.#waiting ??= [];
  }

  /** Sends the messages that have waited. */
  flush(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const message of waiting) this.send(message);
    this.#flushed();
  }

  /** Resolves when no message waits. */
  async flushed(): Promise<void> {
    if (!this.#waiting) return;
    await new Promise<void>((resolve) => {
      this.#flushed = resolve;
    });
  }
}
