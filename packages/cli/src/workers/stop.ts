import type { Log } from '../print/log.js';
import { killLate } from './kill-late.js';
import type { Worker } from './worker.js';

/** The processes that take turns in the place of one worker. */
interface Processes {
  readonly living: ReadonlySet<Worker>;
  readonly current: Worker | undefined;
  readonly candidate: Worker | undefined;
}

/** The stop of the processes that take turns in the place of one worker. */
export class Stop {
  readonly #log: Log;
  #signal: NodeJS.Signals | undefined;

  constructor(log: Log) {
    this.#log = log;
  }

  /** Whether it has begun: no process may be started any more. */
  get begun(): boolean {
    return this.#signal !== undefined;
  }

  /** Sends the processes that serve or start this signal; kills those that do not exit in time. */
  begin({ living, current, candidate }: Processes, signal: NodeJS.Signals): void {
    this.#signal = signal;
    // A candidate is ended by its predecessor, and one that serves is the newest of its chain.
    const first = candidate?.state === 'ready' ? candidate : (current ?? candidate);
    for (const worker of living) {
      if (worker === first || worker.stopsAlone) worker.stop(signal);
      killLate(worker, worker.hammerTime, this.#log);
    }
  }

  /** A process serves now, or serves again. If the stop began before, it could not reach that process. */
  reach(worker: Worker): void {
    if (!this.#signal || worker.signalled) return;
    worker.stop(this.#signal);
    killLate(worker, worker.hammerTime, this.#log);
  }
}

/** Force-closes what drains, or all; kills what does not exit then. */
export function forceClose({ living }: Processes, all: boolean, log: Log): void {
  for (const worker of living) {
    if (!all && worker.state !== 'draining') continue;
    // A process that starts has no request yet, and no handler of the signal.
    worker.kill(worker.state === 'starting' ? 'SIGKILL' : 'SIGUSR2');
    killLate(worker, 0, log);
  }
}
