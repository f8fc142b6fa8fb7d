import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import path from 'node:path';
import { cpuQuota } from './control-groups.js';

/**
 * How many workers `max` is: the CPUs that this process may run on, and no more than its control groups may
 * use. `root` is where the file system begins.
 */
export function mostWorkers(root = '/'): number {
  const allowed = allowedCpus(root) ?? availableParallelism();
  return Math.max(1, Math.min(allowed, Math.floor(cpuQuota(root) ?? allowed)));
}

/**
 * The CPUs that the affinity of this process names. `availableParallelism` of Node.js 22 with libuv 1.49 or 1.50
 * returns 1 in a pod that has requested less than a CPU, whatever its limit is.
 */
function allowedCpus(root: string): number | undefined {
  let status: string;
  try {
    status = readFileSync(path.join(root, 'proc/self/status'), 'utf8');
  } catch {
    return undefined;
  }
  const [, list] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status) ?? [];
  const ranges = list?.split(',').map((range) => range.split('-').map(Number)) ?? [];
  const count = ranges.reduce((sum, [first = Number.NaN, last = first]) => sum + last - first + 1, 0);
  // The list can name CPUs that the machine could have and has not.
  return count > 0 ? Math.min(count, cpus().length || count) : undefined;
}
