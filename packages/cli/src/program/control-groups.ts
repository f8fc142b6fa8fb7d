import { readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * The CPUs that the control groups of this process may use together; undefined without a limit. `root` is
 * where the file system begins.
 */
export function cpuQuota(root = '/'): number | undefined {
  return lowest([
    ...foldersOf(root, 'cgroup2').map((folder) => ratio(...words(folder, 'cpu.max'))),
    ...foldersOf(root, 'cpu').map((folder) =>
      ratio(...words(folder, 'cpu.cfs_quota_us'), ...words(folder, 'cpu.cfs_period_us')),
    ),
  ]);
}

/** The bytes of memory that they may use; undefined without a limit. */
export function memoryLimit(root = '/'): number | undefined {
  return lowest([
    ...foldersOf(root, 'cgroup2').map((folder) => Number(words(folder, 'memory.max')[0])),
    ...foldersOf(root, 'memory').map((folder) => Number(words(folder, 'memory.limit_in_bytes')[0])),
  ]);
}

/**
 * The folders of the control group of this process and of those around it, as far as they can be seen here. A
 * limit of each of them counts. `tree` is `cgroup2`, or a controller of version 1.
 */
function foldersOf(root: string, tree: string): string[] {
  const mount = lines(root, 'proc/self/mountinfo')
    .map((line) => line.split(' '))
    .find((fields) => {
      const [type, , options = ''] = fields.slice(fields.indexOf('-') + 1);
      return type === tree || (type === 'cgroup' && options.split(',').includes(tree));
    });
  const group = lines(root, 'proc/self/cgroup')
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? [])
    .find(([, names = '?']) => (tree === 'cgroup2' ? names === '' : names.split(',').includes(tree)));
  if (!mount || !group) return [];
  const [, , , top = '/', point = ''] = mount.map(unescaped);
  // A container sees its own group as the top, or gets its path outside of the mount.
  const inside = path.posix.relative(top, group[2] as string);
  const below = inside.startsWith('..') ? [] : inside.split('/').filter(Boolean);
  return [...below.keys(), below.length].map((depth) => path.join(root, point, ...below.slice(0, depth)));
}

/** A field of `mountinfo` without its octal numbers for spaces and the like. */
function unescaped(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function lowest(limits: readonly number[]): number | undefined {
  const set = limits.filter((limit) => Number.isFinite(limit) && limit > 0);
  return set.length > 0 ? Math.min(...set) : undefined;
}

function ratio(most = '', period = ''): number {
  return Number(most) / Number(period);
}

function words(folder: string, file: string): string[] {
  return lines(folder, file)[0]?.split(/\s+/) ?? [];
}

function lines(folder: string, file: string): string[] {
  try {
    return readFileSync(path.join(folder, file), 'utf8').trim().split('\n');
  } catch {
    return [];
  }
}
