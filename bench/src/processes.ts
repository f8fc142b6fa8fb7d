import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Resident memory of a process in KiB; 0 after its exit. */
export function residentSize(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Microseconds that the threads of a process have run. The ticks of `/proc/<pid>/stat` are too coarse. */
export function cpuTimeOf(pid: number): number {
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).reduce((sum, thread) => {
    const [nanoseconds] = readFileSync(`${threads}/${thread}/schedstat`, 'utf8').split(' ');
    return sum + Number(nanoseconds) / 1_000;
  }, 0);
}

/** Resolves when a process is gone. Looks only at this one: to look through all of them would hold the clients up. */
export async function isGone(pid: number, patience: number): Promise<void> {
  const deadline = performance.now() + patience;
  while (residentSize(pid) > 0) {
    if (performance.now() > deadline) throw new Error(`${pid} stays.`);
    await delay(2);
  }
}
