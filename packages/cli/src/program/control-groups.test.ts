import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cpuQuota, memoryLimit } from './control-groups.js';
import { mostWorkers } from './worker-count.js';

const V2 = '30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate';
const GIB = 1_024 ** 3;

/** The root of a file system that has these files. */
function root(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
    writeFileSync(path.join(folder, file), `${text}\n`);
  }
  return folder;
}

const v1 = (top: string, own: string) => ({
  'proc/self/mountinfo': [
    `31 24 0:27 ${top} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct`,
    `32 24 0:28 ${top} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory`,
    '33 24 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw',
  ].join('\n'),
  'proc/self/cgroup': `4:memory:${own}\n3:cpu,cpuacct:${own}\n0::/init.scope`,
});
const v2 = (own: string, mount = V2) => ({ 'proc/self/mountinfo': mount, 'proc/self/cgroup': `0::${own}` });

test.each<[string, Record<string, string>, number | undefined, number | undefined]>([
  ['no control groups at all', {}, undefined, undefined],
  [
    'version 2, in a container that sees its own group as the top',
    { ...v2('/'), 'sys/fs/cgroup/cpu.max': '150000 100000', 'sys/fs/cgroup/memory.max': `${GIB}` },
    1.5,
    GIB,
  ],
  [
    'version 2 without limits',
    { ...v2('/'), 'sys/fs/cgroup/cpu.max': 'max 100000', 'sys/fs/cgroup/memory.max': 'max' },
    undefined,
    undefined,
  ],
  [
    'version 2, a service of systemd whose slice has a lower limit',
    {
      ...v2('/web.slice/app.service'),
      'sys/fs/cgroup/web.slice/cpu.max': '200000 100000',
      'sys/fs/cgroup/web.slice/app.service/cpu.max': '400000 100000',
      'sys/fs/cgroup/web.slice/memory.max': `${GIB}`,
      'sys/fs/cgroup/web.slice/app.service/memory.max': 'max',
    },
    2,
    GIB,
  ],
  [
    'version 2, below a service that has the limit',
    { ...v2('/app.service/workers'), 'sys/fs/cgroup/app.service/cpu.max': '300000 100000' },
    3,
    undefined,
  ],
  [
    'version 2, whose group is outside of what is mounted',
    { ...v2('/../../other'), 'sys/fs/cgroup/cpu.max': '100000 100000' },
    1,
    undefined,
  ],
  [
    'version 2, mounted from the group of a container on',
    {
      ...v2('/docker/abc/app', V2.replace(' / ', ' /docker/abc ')),
      'sys/fs/cgroup/app/cpu.max': '50000 100000',
    },
    0.5,
    undefined,
  ],
  [
    'version 2, mounted at a path with a space',
    {
      ...v2('/', V2.replace('/sys/fs/cgroup', String.raw`/my\040groups`)),
      'my groups/cpu.max': '200000 100000',
    },
    2,
    undefined,
  ],
  [
    'version 1, in a container',
    {
      ...v1('/docker/abc', '/docker/abc'),
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '250000',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': `${GIB}`,
    },
    2.5,
    GIB,
  ],
  [
    'version 1 without limits',
    {
      ...v1('/', '/'),
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1',
      'sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000',
    },
    undefined,
    undefined,
  ],
  [
    'version 1, nested: the parent has less',
    {
      ...v1('/', '/a/b'),
      'sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us': '100000',
      'sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us': '100000',
      'sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us': '400000',
      'sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us': '100000',
    },
    1,
    undefined,
  ],
])('the limits of %s', (_, files, cpus, bytes) => {
  const folder = root(files);
  expect([cpuQuota(folder), memoryLimit(folder)]).toEqual([cpus, bytes]);
});

test.each<[string, Record<string, string>, number]>([
  ['the CPUs of the affinity, if no quota is less', { 'proc/self/status': 'Cpus_allowed_list:\t0' }, 1],
  ['at least 1, with half a CPU', { ...v2('/'), 'sys/fs/cgroup/cpu.max': '50000 100000' }, 1],
  [
    'the quota rounded down',
    {
      ...v2('/'),
      'sys/fs/cgroup/cpu.max': '190000 100000',
      'proc/self/status': 'Cpus_allowed_list:\t0-3,8-11',
    },
    1,
  ],
])('`max` is %s', (_, files, count) => {
  expect(mostWorkers(root(files))).toBe(count);
});

test('`max` counts no CPU that this machine has not, and the ranges of a list', () => {
  const of = (list: string) =>
    mostWorkers(root({ 'proc/self/status': `Name:\tnode\nCpus_allowed_list:\t${list}\n` }));
  expect(of('0-511')).toBe(cpus().length);
  expect(of('3,5')).toBe(Math.min(2, cpus().length));
  expect(of('0,2-3')).toBe(Math.min(3, cpus().length));
});
