import type { Log } from '../print/log.js';
import { killLate } from './kill-late.js';
import type { Worker } from './worker.js';

/** The processes that take turns in the place of one worker. */
interface Processes {
  readonly living: ReadonlySet<Worker>;
  readonly current: Worker | undefined;
  readonly candidate: Worker | undefined;
}

/** Sends the processes that serve or start this signal; kills those that do not exit in time. */
export function stopAll({ living, current, candidate }: Processes, signal: NodeJS.Signals, log: Log): void {
  // A candidate is ended by its predecessor, and one that serves is the newest of its chain.
  const first = candidate?.state === 'ready' ? candidate : (current ?? candidate);
  for (const worker of living) {
    if (worker === first || worker.stopsAlone) worker.stop(signal);
    killLate(worker, worker.hammerTime, log);
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
