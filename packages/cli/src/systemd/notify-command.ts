import { type ChildProcess, spawn } from 'node:child_process';
import { MOST_WAITING, type Notifier } from './notifier.js';

/** Time for the command to send one message. */
const HELPER_TIME = 10_000;

/**
 * Sends messages by the command `systemd-notify`, one after the other. It is for units without `OpenFile=`:
 * Node.js has no unix datagram sockets. Nothing waits for it but the last second of a run.
 */
export class NotifyCommand implements Notifier {
  readonly #onError: (why: string) => void;
  readonly #waiting: string[][] = [];
  #helper: ChildProcess | undefined;
  #running = false;
  #closed = false;
  #sent: () => void = () => {};

  constructor(onError: (why: string) => void) {
    this.#onError = onError;
  }

  send(...assignments: string[]): void {
    if (this.#closed) return;
    this.#waiting.push(assignments);
    if (this.#waiting.length > MOST_WAITING) this.#waiting.shift();
    if (!this.#running) this.#next();
  }

  sendOnce(assignment: string): void {
    if (!this.#waiting.some(([first]) => first === assignment)) this.send(assignment);
  }

  sent(): Promise<void> {
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => {
      this.#sent = resolve;
    });
  }

  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    this.#helper?.kill('SIGKILL');
  }

  #next(): void {
    const assignments = this.#waiting.shift();
    this.#running = assignments !== undefined;
    if (assignments === undefined) {
      this.#sent();
      return;
    }
    const next = (why?: string, missing = false) => {
      this.#helper = undefined;
      if (missing) this.close();
      if (why !== undefined && (missing || !this.#closed)) this.#onError(why);
      this.#next();
    };
    try {
      const helper = spawn('systemd-notify', assignments, { stdio: 'ignore', timeout: HELPER_TIME });
      this.#helper = helper;
      helper.once('error', ({ message, code }: NodeJS.ErrnoException) => next(message, code === 'ENOENT'));
      helper.once('exit', (code, signal) => {
        if (signal) next(`systemd-notify was ended by ${signal}`);
        else next(code === 0 ? undefined : `systemd-notify exited with code ${code}`);
      });
    } catch (error) {
      // Without memory for a process Node.js throws: the next message may get through.
      setImmediate(next, (error as Error).message);
    }
  }
}
