import { writeSync } from 'node:fs';
import { makeNonBlocking } from '@endless/core/internal';
import { MOST_WAITING, type Notifier } from './notifier.js';

/** Time until a full socket is tried again. */
const RETRY_TIME = 50;

/**
 * A connected datagram socket to the service manager, which the unit opens by `OpenFile=`. If it is full,
 * messages wait and the event loop does not.
 */
export class NotifySocket implements Notifier {
  readonly #fd: number;
  readonly #onError: (why: string) => void;
  readonly #waiting: string[] = [];
  #broken = false;
  #sent: () => void = () => {};

  constructor(fd: number, onError: (why: string) => void) {
    this.#fd = fd;
    this.#onError = onError;
    // A blocked write would stop the supervisor with the service manager.
    if (!makeNonBlocking(fd)) this.#giveUp(`descriptor ${fd} cannot be written to`);
  }

  send(...assignments: string[]): void {
    if (this.#broken) return;
    this.#waiting.push(assignments.join('\n'));
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
    if (this.#waiting.length === 1) this.#flush();
  }

  sendOnce(assignment: string): void {
    if (!this.#waiting.includes(assignment)) this.send(assignment);
  }

  sent(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#sent = resolve;
    });
  }

  close(): void {
    this.#broken = true;
    this.#waiting.length = 0;
  }

  #flush(): void {
    try {
      for (; this.#waiting.length > 0; this.#waiting.shift()) writeSync(this.#fd, this.#waiting[0] as string);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EAGAIN') {
        setTimeout(() => this.#flush(), RETRY_TIME);
        return;
      }
      this.#giveUp(message);
    }
    this.#sent();
  }

  #giveUp(why: string): void {
    this.close();
    this.#onError(why);
  }
}
