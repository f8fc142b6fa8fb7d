import { readdirSync, readFileSync } from 'node:fs';
import type { Log } from '../print/log.js';
import type { Supervisor } from './supervisor.js';

/** How often pid 1 looks for processes that have no parent to wait for them. */
const LOOK_EVERY = 30_000;

/**
 * Warns once if exited processes pile up below pid 1: Node.js waits only for processes that it has started.
 */
export function watchOrphans(supervisor: Supervisor, log: Log): void {
  if (process.pid !== 1) return;
  let before = 0;
  const timer = setInterval(() => {
    const own = supervisor.processes.map(({ pid }) => pid);
    const now = zombies().filter((pid) => !own.includes(pid)).length;
    if (now > 0 && before > 0) {
      clearInterval(timer);
      log.info(
        `${now} exited processes that the program has left behind are never removed. Run the container with --init.`,
      );
    }
    before = now;
  }, LOOK_EVERY).unref();
}

/** The children of pid 1 that have exited and that it has not waited for. */
function zombies(): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      // The program name in this line may contain spaces and brackets.
      const [state, parent] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
      return state === 'Z' && parent === '1' ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}
