import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, get, type Program, type ProgramExit, startLoad, startProgram } from '@endless/testkit';
import type { StandIn } from './stand-ins.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SETTINGS = { hammerTime: 8_000, rollbackWindow: 300, idleGrace: 2_000 };

/** A program with shutdown code. */
export interface Existing {
  /** The file in `programs`, or what else Node.js runs. */
  args: string[];
  env?: Record<string, string>;
  /** Settings that are not those of all others. */
  settings?: object;
  needs?: StandIn;
  /** The Node.js binary; our own if not given. */
  node?: string | undefined;
  /** Starts with `--inspect` on a port of its own. */
  inspect?: boolean;
  /** A request that makes the program do something. */
  wake?: string;
}

/** What has become of a program. */
export interface Outcome {
  /** Requests that strict clients lost over the restart. */
  lost: unknown[];
  /** The status of a slow request that was in flight at the signal. */
  slow: Record<'restart' | 'stop', number | string>;
  /** What the old process and the new one wrote down. */
  cleanups: Record<'old' | 'new', string[]>;
  /** How the first process ended after the restart. */
  oldExit: ProgramExit;
  /** How a process that was never restarted ends by SIGTERM, with endless and without. */
  exits: Record<'endless' | 'bare', ProgramExit>;
  output: string;
}

/** A place for one program: its port, its files and what it connects to. */
async function place<Result>(
  existing: Existing,
  use: (start: (bare: boolean) => Program, at: Place) => Promise<Result>,
) {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  const at = {
    port: await freePort(),
    second: await freePort(),
    log: path.join(folder, 'log'),
    pino: path.join(folder, 'pino'),
  };
  const started: Program[] = [];
  const undo = await existing.needs?.(at.second, folder);
  const start = (bare: boolean) => {
    const program = startProgram(existing.args[0] as string, {
      args: existing.args.slice(1).map((arg) => arg.replace('PORT', String(at.port))),
      cwd: ROOT,
      ...(existing.node && { node: existing.node }),
      execArgv: [
        ...(existing.inspect ? [`--inspect=127.0.0.1:${at.second}`] : []),
        ...(bare ? [] : ['--require', '@endless/core/register']),
      ],
      env: {
        PORT: String(at.port),
        SECOND_PORT: String(at.second),
        CLEANUP_LOG: at.log,
        PINO_LOG: at.pino,
        SETTINGS: bare ? undefined : JSON.stringify({ ...SETTINGS, ...existing.settings }),
        ...existing.env,
      },
    });
    started.push(program);
    return program;
  };
  try {
    return await use(start, at);
  } catch (error) {
    throw new Error(`${error}\n${started.map(({ output }) => output).join('\n---\n')}`, { cause: error });
  } finally {
    for (const program of started) await program.stop();
    await undo?.();
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Place {
  port: number;
  log: string;
  pino: string;
}

/** Restarts a program under the load of strict clients and stops it; then stops one that was never restarted, and a bare one. */
export async function tried(existing: Existing): Promise<Outcome> {
  return place(existing, async (start, at) => {
    const program = start(false);
    const first = await servingPid(at.port, () => true);
    const loads = (['keep-alive', 'new-connection'] as const).map((mode, index) =>
      startLoad({ port: at.port, mode, connections: 3 - 2 * index, thinkTime: () => 15 }),
    );
    await sleep(200);
    const restarted = slowRequest(at.port, 900, existing.wake);
    await program.waitFor(`began ${first}`, { from: 'stdout', timeout: 60_000 });
    program.signal('SIGHUP', first);
    const second = await servingPid(at.port, (pid) => pid !== first);
    const oldExit = await within(30_000, program.exited, 'the old process does not exit');
    await sleep(200);
    const lost = (await Promise.all(loads.map((load) => load.stop()))).flatMap((report) => report.lost);
    const stopped = slowRequest(at.port, 600, existing.wake);
    await program.waitFor(`began ${second}`, { from: 'stdout', timeout: 60_000 });
    program.signal('SIGTERM', second);
    const slow = { restart: await restarted, stop: await stopped };
    await program.waitForPids(0, 30_000);
    const lines = linesOf(at);
    const of = (pid: number) =>
      lines.filter((line) => line.startsWith(`${pid} `)).map((line) => line.split(' ').slice(1).join(' '));
    const cleanups = { old: of(first), new: of(second) };
    const exits = { endless: await stop(start(false), at.port), bare: await stop(start(true), at.port) };
    return { lost, slow, cleanups, oldExit, exits, output: program.output };
  });
}

/** What becomes of a restart of a program that holds something that only one process can hold. */
export async function restartedOnce(
  existing: Existing,
): Promise<{ pid: 'new' | 'old'; lost: unknown[]; output: string }> {
  return place(existing, async (start, { port }) => {
    const program = start(false);
    const first = await servingPid(port, () => true);
    const load = startLoad({ port, mode: 'keep-alive', connections: 2, thinkTime: () => 15 });
    program.signal('SIGHUP', first);
    await program.waitFor(/has taken over|The successor .*|failed/i, { from: 'stderr', timeout: 60_000 });
    const pid = await servingPid(port, () => true);
    if (pid !== first) await within(30_000, program.exited, 'the old process does not exit');
    await sleep(500);
    const { lost } = await load.stop();
    const after = await servingPid(port, () => true);
    return { pid: after === first ? 'old' : 'new', lost: [...lost], output: program.output };
  });
}

async function stop(program: Program, port: number): Promise<ProgramExit> {
  await servingPid(port, () => true);
  program.signal('SIGTERM');
  const exit = await within(30_000, program.exited, 'SIGTERM does not end it');
  await program.waitForPids(0, 30_000);
  return exit;
}

function slowRequest(port: number, ms: number, wake = ''): Promise<number | string> {
  return get({ port, path: `/?ms=${ms}&${wake}`, timeout: 30_000 }).then(({ status }) => status, String);
}

async function servingPid(port: number, isRight: (pid: number) => boolean): Promise<number> {
  for (const end = performance.now() + 60_000; performance.now() < end; await sleep(30)) {
    const answer = await get({ port }).catch(() => undefined);
    const pid = Number(answer?.headers['x-pid']);
    if (answer?.status === 200 && isRight(pid)) return pid;
  }
  throw new Error('no process serves that should');
}

async function within<Value>(ms: number, promise: Promise<Value>, what: string): Promise<Value> {
  const late = sleep(ms, undefined, { ref: false }).then(() =>
    Promise.reject(new Error(`${what} within ${ms} ms`)),
  );
  return Promise.race([promise, late]);
}

function linesOf({ log, pino }: Place): string[] {
  const text = [log, pino].map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('\n');
  return [...text.matchAll(/^(?:.*"msg":")?(\d+ [\w ]+)/gm)].map(([, line]) => line as string);
}
