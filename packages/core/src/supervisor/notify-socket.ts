import { fstatSync, writeSync } from 'node:fs';
import { messageOf } from '../errors.js';
import { makeNonBlocking } from '../node-private/pipe.js';
import type { World } from '../world.js';

/** Time until a full socket is tried again. */
const RETRY_TIME = 50;
/** The most messages that wait for a full socket; above that the oldest is dropped. */
const MOST_WAITING = 100;

/** A datagram socket to the service manager; if it is full, messages wait and the event loop does not. */
export class NotifySocket {
  readonly #fd: number;
  readonly #world: World;
  readonly #onError: (error: unknown) => void;
  readonly #waiting: string[] = [];
  #sent: () => void = () => {};

  constructor(fd: number, world: World, onError: (error: unknown) => void) {
    this.#fd = fd;
    this.#world = world;
    this.#onError = onError;
    makeNonBlocking(fd);
  }

  /** Sends a message at once, or after those that wait. */
  send(message: string): void {
    this.#waiting.push(message);
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
    if (this.#waiting.length === 1) this.#flush();
  }

  /** Sends a message unless the same one waits already. */
  sendOnce(message: string): void {
    if (!this.#waiting.includes(message)) this.send(message);
  }

  /** Resolves when no message waits. */
  sent(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#sent = resolve;
    });
  }

  #flush(): void {
    try {
      for (; this.#waiting.length > 0; this.#waiting.shift()) writeSync(this.#fd, this.#waiting[0] as string);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') {
        this.#world.after(RETRY_TIME, () => this.#flush());
        return;
      }
      this.#waiting.length = 0;
      this.#onError(error);
    }
    this.#sent();
  }
}

/** Why a descriptor cannot be the socket to the service manager; undefined if it may be. */
export function refusalOf(fd: number): string | undefined {
  try {
    return fd >= 3 && fstatSync(fd, { bigint: true }).isSocket()
      ? undefined
      : `descriptor ${fd} is not a socket`;
  } catch (error) {
    return `descriptor ${fd}: ${messageOf(error)}`;
  }
}
