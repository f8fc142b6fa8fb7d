/** One handler for each type of message that a phase knows; it ignores the others. */
export type Handlers<In extends { type: string }> = {
  readonly [Type in In['type']]?: (message: Extract<In, { type: Type }>) => void;
};

/**
 * The messages of another process, in order, for the phase that this process is in.
 *
 * A phase that ends holds the inbox, so that messages that arrive together with its end reach the next phase.
 */
export class Inbox<In extends { type: string }> {
  readonly #onIgnored: (type: In['type']) => void;
  #handlers: Handlers<In> | undefined;
  readonly #waiting: In[] = [];

  /** `onIgnored` gets the type of each message that the phase does not know. */
  constructor(onIgnored: (type: In['type']) => void) {
    this.#onIgnored = onIgnored;
  }

  /** Hands a message to the phase, or keeps it for the next. */
  receive(message: In): void {
    this.#waiting.push(message);
    this.#deliver();
  }

  /** Keeps messages from now on for the next phase. */
  hold(): void {
    this.#handlers = undefined;
  }

  /** Hands this phase the messages from now on; first those that were kept. */
  open(handlers: Handlers<In>): void {
    this.#handlers = handlers;
    this.#deliver();
  }

  /** Keeps a message for the next phase, before those that come after it. */
  putBack(message: In): void {
    this.#waiting.unshift(message);
  }

  #deliver(): void {
    while (this.#handlers) {
      const message = this.#waiting.shift();
      if (!message) return;
      const type: In['type'] = message.type;
      const handler = this.#handlers[type];
      if (handler) handler(message as Extract<In, { type: typeof type }>);
      else this.#onIgnored(type);
    }
  }
}
