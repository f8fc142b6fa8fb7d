import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, get, type Program, startProgram } from '@endless/testkit';
import { cpuTimeOf } from './processes.js';
import { fixture } from './server-process.js';

/** One program on two workers, run by something that starts and watches them. */
export interface Supervisor {
  name: string;
  start(): Promise<Supervised>;
}

/** Two workers that serve, with the process that runs them. */
export interface Supervised {
  port: number;
  /** Microseconds of CPU time of all its processes so far, in user and kernel mode. */
  cpuTime(): number;
  stop(): Promise<void>;
}

const SERVER = fixture('workers/server.js');
/** The built command. */
export const ENDLESS = fileURLToPath(new URL('../../packages/cli/dist/bin.js', import.meta.url));
const PATIENCE = 15_000;
/** One supervisor and two workers. */
const PROCESSES = 3;

/** Each runs two workers of the same program. */
export const SUPERVISORS: readonly Supervisor[] = [
  {
    name: 'endless run',
    start: () =>
      start((env) =>
        startProgram(ENDLESS, { env, args: ['run', '--workers', '2', '--control', 'none', SERVER] }),
      ),
  },
  {
    name: 'node:cluster',
    start: () => start((env) => startProgram(fixture('workers/cluster.js'), { env })),
  },
  {
    name: 'pm2 cluster',
    start() {
      const home = mkdtempSync(path.join(os.tmpdir(), 'endless-pm2-'));
      const own = { PM2_HOME: home, PM2_DISABLE_VERSION_CHECK: 'true', PM2_SILENT: 'true' };
      const cli = createRequire(import.meta.url).resolve('pm2/bin/pm2');
      const args = ['start', fixture('workers/pm2.config.cjs'), '--no-daemon'];
      return start(
        (env) => startProgram(cli, { env: { ...env, ...own }, args }),
        () => rmSync(home, { recursive: true, force: true }),
      );
    },
  },
];

async function start(
  begin: (env: Record<string, string>) => Program,
  cleanUp: () => void = () => {},
): Promise<Supervised> {
  const port = await freePort();
  const program = begin({ PORT: String(port) });
  const stop = async () => {
    await program.stop();
    cleanUp();
  };
  try {
    await program.waitForPids(PROCESSES, PATIENCE);
    await answers(port, program);
    // The second worker has started, and may not listen yet. A command that pm2 has run is gone by then.
    await delay(SETTLE_TIME);
    const pids = await program.waitForPids(PROCESSES, PATIENCE);
    return { port, cpuTime: () => pids.reduce((sum, pid) => sum + cpuTimeOf(pid), 0), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const SETTLE_TIME = 500;

async function answers(port: number, program: Program): Promise<void> {
  const deadline = performance.now() + PATIENCE;
  while (performance.now() < deadline) {
    if (await get({ port }).catch(() => undefined)) return;
    await delay(20);
  }
  throw new Error(`No worker answers.\n${program.output}`);
}
