import type { Log } from '../print/log.js';
import type { Worker } from './worker.js';

/** How long after its deadline a worker that stops may still live. */
const LATE = 2_000;

/** Kills a process that has not exited shortly after its deadline, which is in this many milliseconds. */
export function killLate(worker: Worker, deadline: number, log: Log): void {
  if (deadline < 0) return;
  worker.later(deadline + LATE, () => {
    log.info(`${worker.name} did not exit in time: killed.`);
    worker.kill('SIGKILL');
  });
}

/** Kills a process that has not become ready within this many milliseconds: that counts as a crash. */
export function killUnready(worker: Worker, limit: number, log: Log): void {
  worker.later(limit, () => {
    if (worker.state !== 'starting') return;
    log.info(`${worker.name} was not ready within ${limit / 1_000} s: killed.`);
    worker.kill('SIGKILL');
  });
}
