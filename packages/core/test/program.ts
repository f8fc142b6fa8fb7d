import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, get, type Program, type ProgramOptions, startProgram } from '@endless/testkit';
import { onTestFinished } from 'vitest';

/** The path of a fixture program. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

/** A fixture that listens on a port of its own and is ended with the test. */
export interface Served {
  program: Program;
  port: number;
  /** Makes the successors of this program fail in this way; without a name they no longer do. */
  fault(name?: string): void;
  /** A folder that goes with the test. */
  folder: string;
}

/** Starts a fixture, waits until it listens, and ends every process of it with the test. */
export async function serve(
  name: string,
  settings: object = {},
  { env, ...options }: ProgramOptions & { ready?: RegExp } = {},
): Promise<Served> {
  const port = await freePort();
  const folder = temporaryFolder();
  const faultFile = path.join(folder, 'fault');
  const program = startProgram(fixture(name), {
    ...options,
    env: { PORT: String(port), SETTINGS: JSON.stringify(settings), FAULT_FILE: faultFile, ...env },
  });
  onTestFinished(() => program.stop());
  await program.waitFor(options.ready ?? /listening \d+ 0/);
  const fault = (fault?: string) =>
    fault === undefined ? rmSync(faultFile, { force: true }) : writeFileSync(faultFile, fault);
  return { program, port, fault, folder };
}

/** A folder that is removed with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Restarts the newest process with SIGHUP and resolves with the pid of its successor once that accepts. */
export async function hup(program: Program, pid: number = newestPid(program)): Promise<number> {
  const after = program.stdout.length;
  program.signal('SIGHUP', pid);
  const [, successor] = await program.waitFor(/event handover \d+ .*?"pid":(\d+)/, { from: 'stdout', after });
  return Number(successor);
}

/** The pid of the newest process: a candidate may say that it listens long before it has taken over, or a moment after. */
export function newestPid(program: Program): number {
  const [, successor] = [...program.stdout.matchAll(/event handover \d+ .*?"pid":(\d+)/g)].at(-1) ?? [];
  return successor === undefined ? program.pid : Number(successor);
}

/** Asks for `path` on a fresh connection and resolves with the JSON it gets. */
export async function getJson<Answer>(port: number, target: string, timeout = 10_000): Promise<Answer> {
  return JSON.parse((await get({ port, path: target, timeout })).body) as Answer;
}

/** Waits until something is so, for 5 s at most. */
export async function until(holds: () => boolean | Promise<boolean>, timeout = 5_000): Promise<void> {
  for (const end = performance.now() + timeout; !(await holds()); await sleep(10))
    if (performance.now() > end) throw new Error(`still not so after ${timeout} ms: ${holds}`);
}
