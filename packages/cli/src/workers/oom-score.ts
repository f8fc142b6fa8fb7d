import { readFileSync, writeFileSync } from 'node:fs';

/** How much more than the supervisor a worker is preferred when the kernel ends a process for its memory. */
const MORE = 200;
const MOST = 1_000;

/** Lets the kernel end this worker and not the supervisor when memory runs out. Only Linux can. */
export function preferAsVictim(pid: number): void {
  try {
    // A service manager or a pod may have set a value: the worker needs a higher one.
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'utf8'));
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(Math.min(MOST, own + MORE)));
  } catch {
    // Not on this system, or hidden from this user.
  }
}
