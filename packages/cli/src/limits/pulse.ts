import { couldAnswer, type Thread, threadOf } from './thread.js';

/** What a process answers to a ping. */
export interface Answer {
  /** Bytes of resident memory. */
  rss: number;
  /** Whether its inspector is open: a debugger may hold it. */
  inspected: boolean;
}

/** What the answers of a process to pings say, and for how long it has answered none. */
export class Pulse {
  /** The last answer. */
  last: Answer | undefined;
  /** How many answers have come. */
  answers = 0;
  /** Milliseconds for which a ping has had no answer. */
  silentMs = 0;
  /** The part of it in which the process could have answered. */
  blockedMs = 0;
  /** The milliseconds of CPU that its main thread has had meanwhile. */
  ranMs = 0;
  /** What its main thread does. */
  thread: Thread | undefined;
  /** The process is silent for longer than `--stall`. */
  stalled = false;
  /** It is killed for that. */
  doomed = false;
  readonly #pid: number;
  readonly #ping: () => void;
  #asked = false;

  constructor(pid: number, ping: () => void) {
    this.#pid = pid;
    this.#ping = ping;
  }

  /** The process has answered. */
  answer(answer: Answer): void {
    this.last = answer;
    this.answers += 1;
    this.#asked = false;
    this.silentMs = 0;
    this.blockedMs = 0;
    this.ranMs = 0;
    this.stalled = false;
  }

  /** Pings the process, unless it has not answered the last ping, so many milliseconds ago. */
  beat(passed: number): void {
    const before = this.thread;
    this.thread = threadOf(this.#pid);
    if (this.#asked) {
      this.silentMs += passed;
      this.blockedMs += couldAnswer(passed, before, this.thread);
      this.ranMs += (this.thread?.ranMs ?? 0) - (before?.ranMs ?? 0);
    } else {
      this.#asked = true;
      this.#ping();
    }
  }
}
