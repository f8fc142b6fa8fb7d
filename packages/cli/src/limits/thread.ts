import { readFileSync } from 'node:fs';

/** What the kernel knows about the main thread of a process, which runs its event loop. */
export interface Thread {
  /** One letter, such as R: it runs, or waits for a CPU. */
  state: string;
  /** Milliseconds that it has had a CPU. */
  ranMs: number;
  /** Milliseconds that it has waited for one. */
  waitedMs: number;
}

/** The main thread of a process; undefined where the system does not show it. */
export function threadOf(pid: number): Thread | undefined {
  try {
    // The name in this line may contain spaces and brackets.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const state = stat.charAt(stat.lastIndexOf(')') + 2);
    const [ran = Number.NaN, waited = Number.NaN] = readFileSync(`/proc/${pid}/schedstat`, 'utf8')
      .split(' ')
      .map((nanoseconds) => Number(nanoseconds) / 1e6);
    return Number.isFinite(ran + waited) ? { state, ranMs: ran, waitedMs: waited } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a signal or a debugger has stopped a process. */
export function isStopped({ state }: Thread): boolean {
  return state === 'T' || state === 't';
}

/** The part of some milliseconds in which a thread could have answered: it had a CPU, or needed none. */
export function couldAnswer(passed: number, before: Thread | undefined, now: Thread | undefined): number {
  if (!before || !now) return passed;
  if (isStopped(now)) return 0;
  // The kernel adds a wait only when it is over, so the wait of a thread that still waits is not in it.
  if (now.state === 'R') return Math.min(passed, now.ranMs - before.ranMs);
  return Math.max(0, passed - (now.waitedMs - before.waitedMs));
}
