// Rows of the failure policy for a machine that has too little memory or CPU for a worker.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, startLoad } from '@endless/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { getJson } from '../dist/control/client.js';
import type { Status } from '../dist/control/status.js';
import { lines, type Run, run, until, workers } from './program.js';

const MEBIBYTE = 2 ** 20;
const statusOf = ({ socket }: Run) => getJson<Status>(socket, '/status');

/** Where the kernel keeps the limit of a control group, and how often it has ended a process for it. */
const VERSIONS = [
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', events: 'memory.oom_control' },
  { root: '/sys/fs/cgroup', limit: 'memory.max', events: 'memory.events' },
];

/** Makes a control group for this test; undefined where none can limit memory. */
function memoryGroup(bytes: number): { add(pid: number): void; kills(): number; remove(): void } | undefined {
  for (const { root, limit, events } of VERSIONS) {
    const folder = path.join(root, `endless-test-${process.pid}`);
    const remove = () => rmdirSync(folder);
    try {
      mkdirSync(folder);
    } catch {
      continue;
    }
    if (existsSync(path.join(folder, limit))) {
      writeFileSync(path.join(folder, limit), String(bytes));
      return {
        add: (pid) => writeFileSync(path.join(folder, 'cgroup.procs'), String(pid)),
        kills: () => Number(/^oom_kill (\d+)$/m.exec(readFileSync(path.join(folder, events), 'utf8'))?.[1]),
        remove,
      };
    }
    remove();
  }
  return undefined;
}

const probe = memoryGroup(MEBIBYTE);
probe?.remove();

test.skipIf(!probe)(
  'a worker that outgrows its control group is replaced, the others and the supervisor live on (needs root)',
  async () => {
    const group = memoryGroup(200 * MEBIBYTE) as NonNullable<typeof probe>;
    // After the end of its processes.
    onTestFinished(() =>
      until(() => {
        try {
          group.remove();
          return true;
        } catch {
          return false;
        }
      }),
    );
    const served = await run('limits.mjs', { flags: ['--workers', '2'] });
    const { program, port } = served;
    await lines(served, /is ready \(2 of 2\)/, 1);
    for (const pid of program.pids()) group.add(pid);
    const before = workers(served);
    await sleep(1_100);
    const load = startLoad({ port, connections: 4, mode: 'new-connection', thinkTime: () => 20 });
    void get({ port, path: '/memory' }).catch(() => {});
    await lines(served, /\) was killed by SIGKILL: starting it again\./, 1);
    await lines(served, /is ready \(2 of 2\)/, 2);
    const { lostBy } = await load.stop();
    expect([...lostBy.keys()].filter((reason) => reason !== 'reset' && reason !== 'ended')).toEqual([]);
    expect(group.kills()).toBe(1);
    const { worker } = await statusOf(served);
    expect(worker.map(({ restarts }) => restarts.crash).sort()).toEqual([0, 1]);
    expect(before.filter((pid) => workers(served).includes(pid))).toHaveLength(1);
  },
);

const canStarve = ['taskset', 'chrt', 'timeout'].every((name) => spawnSync(name, ['--version']).status === 0);

test.skipIf(!canStarve)(
  '`--stall` kills no worker that busy neighbours keep from the CPU: it is slow, and loses no request',
  async () => {
    const served = await run('limits.mjs', { flags: ['--stall', '600ms'], maxProcesses: 12 });
    const { program, port } = served;
    const [pid] = workers(served) as [number];
    const [, cpu = ''] = /^Cpus_allowed_list:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', cpu, String(pid)]);
    await get({ port, path: '/neighbours' });
    // Of the processes on its CPU it has the last claim.
    execFileSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(pid)]);
    const load = startLoad({ port, connections: 5, mode: 'keep-alive', timeout: 30_000 });
    await lines(served, /has answered no ping for .*, since it gets too little CPU: it is not replaced/, 1);
    await until(async () => (await statusOf(served)).worker[0]?.state === 'ready', 10_000);
    expect(await load.stop()).toMatchObject({ lost: [], opened: 5 });
    expect((await statusOf(served)).worker).toMatchObject([{ pid, restarts: { crash: 0, stall: 0 } }]);
    expect(program.stderr).not.toContain('killing it');
  },
);
