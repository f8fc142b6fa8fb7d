import type { Log } from '../print/log.js';
import type { Worker } from '../workers/worker.js';
import { blockedStack } from './blocked-stack.js';
import { isStopped } from './thread.js';

/** Kills each process whose event loop answers no ping for a given time: another replaces it, as after a crash. */
export class StallWatch {
  readonly #stall: number;
  readonly #log: Log;
  /** One stack after the other: the inspectors ask for the same port. */
  #kills: Promise<void> = Promise.resolve();

  /** `stall`: milliseconds; 0: never. */
  constructor(stall: number, log: Log) {
    this.#stall = stall;
    this.#log = log;
  }

  /** Looks at one process after its beat. */
  look(worker: Worker): void {
    const { pulse, readyAt } = worker;
    // A start may block for long, and a debugger holds a process on purpose.
    if (this.#stall === 0 || readyAt === undefined || pulse.last?.inspected) return;
    if (pulse.doomed || pulse.silentMs < this.#stall) return;
    if (pulse.blockedMs >= this.#stall) {
      pulse.doomed = true;
      this.#kills = this.#kills.then(() => this.#kill(worker)).catch(() => worker.kill('SIGKILL'));
    } else if (!pulse.stalled) {
      const stopped = pulse.thread !== undefined && isStopped(pulse.thread);
      const why = stopped ? 'a signal or a debugger has stopped it' : 'it gets too little CPU';
      this.#log.info(`${silence(worker)}, since ${why}: it is not replaced.`);
    }
    pulse.stalled = true;
  }

  async #kill(worker: Worker): Promise<void> {
    // The kills before this one may have taken seconds.
    if (worker.state === 'gone') return;
    if (worker.pulse.silentMs < this.#stall) {
      worker.pulse.doomed = false;
      return;
    }
    const before = silence(worker);
    const { thread, ranMs, silentMs } = worker.pulse;
    const share = Math.min(100, Math.round((100 * ranMs) / silentMs));
    const stack = await blockedStack(worker);
    const doing = thread ? ` (state ${thread.state}, ${share} % CPU)` : '';
    const where = stack ? `, at ${stack.join(' < ')}` : '';
    this.#log.info(`${before}${doing}${where}: killing it.`);
    worker.kill('SIGKILL');
  }
}

function silence({ index, pid, pulse }: Worker): string {
  return `worker ${index} (pid ${pid}) has answered no ping for ${(pulse.silentMs / 1_000).toFixed(1)} s`;
}
