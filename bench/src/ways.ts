import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort, get, type Program, startProgram } from '@endless/testkit';
import { isGone } from './processes.js';
import { fixture } from './server-process.js';

/** A server that serves, and can be restarted the one way or the other. */
export interface Restartable {
  port: number;
  /** Restarts it; resolves when what was there before is gone. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** A way to restart a server. */
export interface Way {
  name: string;
  /** Why it cannot be measured here, if so. */
  missing?: string;
  start(): Promise<Restartable>;
}

/** Endless: a SIGHUP. */
export const ENDLESS: Way = {
  name: 'endless',
  start: () => bySighup((port) => startProgram(fixture('field/endless.js'), env(port))),
};

/** What one does with nothing else: SIGTERM, `server.close()`, and start again. */
export const PLAIN_RESTART: Way = {
  name: 'plain server.close()',
  async start() {
    const port = await freePort();
    const begin = () => startProgram(fixture('field/plain.js'), env(port));
    let program = begin();
    await whoAnswers(port, program);
    return {
      port,
      async restart() {
        program.signal('SIGTERM');
        await program.exited;
        await program.stop();
        program = begin();
        await whoAnswers(port, program);
      },
      stop: () => program.stop(),
    };
  },
};

/** Two workers of `node:cluster`, replaced one after the other. */
const CLUSTER: Way = {
  name: 'node:cluster, rolling',
  async start() {
    const port = await freePort();
    const program = startProgram(fixture('field/cluster.js'), env(port));
    return stopOnFailure(program, async () => {
      await program.waitFor('serving');
      return {
        port,
        async restart() {
          const after = program.stdout.length;
          program.signal('SIGHUP');
          await program.waitFor('rolled', { from: 'stdout', after, timeout: PATIENCE });
        },
        stop: () => program.stop(),
      };
    });
  },
};

/** Two workers of pm2 in cluster mode. */
const PM2: Way = {
  name: 'pm2 reload',
  async start() {
    const port = await freePort();
    const home = mkdtempSync(path.join(os.tmpdir(), 'endless-pm2-'));
    const cli = createRequire(import.meta.url).resolve('pm2/bin/pm2');
    const options = {
      env: { PORT: String(port), PM2_HOME: home, PM2_DISABLE_VERSION_CHECK: 'true', PM2_SILENT: 'true' },
    };
    const program = startProgram(cli, {
      ...options,
      args: ['start', fixture('field/pm2.config.cjs'), '--no-daemon'],
    });
    const stop = async () => {
      await program.stop();
      rmSync(home, { recursive: true, force: true });
    };
    return stopOnFailure({ stop }, async () => {
      await whoAnswers(port, program);
      // One manager and two workers: the second worker is started after the first.
      await program.waitForPids(3);
      return {
        port,
        async restart() {
          const reload = startProgram(cli, { ...options, args: ['reload', 'bench'] });
          try {
            const { code } = await reload.exited;
            if (code !== 0) throw new Error(`pm2 reload failed:\n${reload.output}\n${program.output}`);
          } finally {
            await reload.stop();
          }
          await program.waitForPids(3, PATIENCE);
        },
        stop,
      };
    });
  },
};

/** The Go program that endless is named after, from the source in a folder. */
function seedOf(source: string | undefined): Way {
  const name = 'fvbock/endless (Go)';
  const start = () =>
    source === undefined ? Promise.reject(new Error('No source.')) : startSeed(path.resolve(source));
  if (source === undefined) return { name, start, missing: 'no source was given with --seed' };
  return { name, start };
}

async function startSeed(source: string): Promise<Restartable> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'endless-seed-'));
  try {
    cpSync(fixture('field/seed.go'), path.join(folder, 'main.go'));
    cpSync(source, path.join(folder, 'endless'), { recursive: true });
    const module = path.join(folder, 'endless', 'go.mod');
    if (!existsSync(module)) writeFileSync(module, 'module github.com/fvbock/endless\n');
    writeFileSync(
      path.join(folder, 'go.mod'),
      'module seed\nrequire github.com/fvbock/endless v0.0.0\nreplace github.com/fvbock/endless => ./endless\n',
    );
    const binary = path.join(folder, 'seed');
    await promisify(execFile)('go', ['build', '-mod=mod', '-o', binary, '.'], { cwd: folder });
    // `startProgram` starts Node programs: this one stays beside the chain.
    const starter = path.join(folder, 'start.cjs');
    writeFileSync(
      starter,
      `require('node:child_process').spawn(${JSON.stringify(binary)}, { stdio: 'inherit' });\n`,
    );
    const seed = await bySighup((port) => startProgram(starter, env(port)));
    return {
      ...seed,
      async stop() {
        await seed.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** All of them, the seed with its source if that is given. */
export async function allWays(seed: string | undefined): Promise<Way[]> {
  const ways = [ENDLESS, PLAIN_RESTART, CLUSTER, PM2];
  const hasGo = await promisify(execFile)('go', ['version']).then(
    () => true,
    () => false,
  );
  const way = seedOf(seed);
  return [...ways, hasGo ? way : { ...way, missing: 'go is not installed' }];
}

/** Longer than the deadline of each way. */
const PATIENCE = 70_000;

/** A chain of processes: at a SIGHUP, each starts the next one and exits. */
async function bySighup(begin: (port: number) => Program): Promise<Restartable> {
  const port = await freePort();
  const program = begin(port);
  return stopOnFailure(program, async () => {
    let pid = await whoAnswers(port, program);
    return {
      port,
      async restart() {
        program.signal('SIGHUP', pid);
        const old = pid;
        pid = await whoAnswers(port, program, old);
        await isGone(old, PATIENCE);
      },
      stop: () => program.stop(),
    };
  });
}

function env(port: number): { env: Record<string, string> } {
  return { env: { PORT: String(port) } };
}

async function stopOnFailure<Result>(
  program: { stop(): Promise<void> },
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    await program.stop();
    throw error;
  }
}

/** The pid of the process that answers a fresh connection, once it is another one than this. */
async function whoAnswers(port: number, program: Program, before?: number): Promise<number> {
  const deadline = performance.now() + 15_000;
  while (performance.now() < deadline) {
    const answer = await get({ port }).catch(() => undefined);
    const pid = Number(answer?.headers['x-process']);
    if (pid > 0 && pid !== before) return pid;
    await delay(20);
  }
  throw new Error(`No new process answers.\n${program.output}`);
}
