import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** How many workers `max` is: the CPUs of this process, and no more than its control group may use. */
export function mostWorkers(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota() ?? Number.POSITIVE_INFINITY)));
}

/** The CPUs that the control group may use. Node.js looks at that by itself from version 22 on. */
function quota(): number | undefined {
  const [most, period] = words('/sys/fs/cgroup/cpu.max');
  if (most !== undefined && period !== undefined) return ratio(most, period);
  const [old] = words('/sys/fs/cgroup/cpu/cpu.cfs_quota_us');
  const [oldPeriod] = words('/sys/fs/cgroup/cpu/cpu.cfs_period_us');
  return old !== undefined && oldPeriod !== undefined ? ratio(old, oldPeriod) : undefined;
}

function ratio(most: string, period: string): number | undefined {
  const value = Number(most) / Number(period);
  return value > 0 ? value : undefined;
}

function words(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').trim().split(/\s+/);
  } catch {
    return [];
  }
}
