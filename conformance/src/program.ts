import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, get, type Program, type ProgramOptions, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';

/** The rollback window in milliseconds for tests of something else: each of them waits for its end. */
const SHORT_WINDOW = 100;

/** A program that listens on a port of its own and that the test stops at its end. */
export interface Served {
  program: Program;
  port: number;
  /** Makes the successors of this program fail in this way; without a name, they work again. */
  fault(name?: string): void;
  /** A folder that is removed with the test. */
  folder: string;
}

/** How a program starts. */
export interface ServeOptions extends ProgramOptions {
  /** The text that it prints when it listens. */
  ready?: RegExp;
}

/** Starts a program and waits until it listens. The test kills all its processes at its end; a process warning fails it. */
export async function serve(
  file: string,
  settings: object = {},
  { env, ready = /listening \d+ 0/, ...options }: ServeOptions = {},
): Promise<Served> {
  const port = await freePort();
  const folder = temporaryFolder();
  const faultFile = path.join(folder, 'fault');
  const program = startProgram(file, {
    ...options,
    env: {
      PORT: String(port),
      SETTINGS: JSON.stringify({ rollbackWindow: SHORT_WINDOW, ...settings }),
      FAULT_FILE: faultFile,
      ...env,
    },
  });
  onTestFinished(async () => {
    await program.stop();
    expect(program.stderr).not.toMatch(/\(node:\d+\).*Warning/);
  });
  await program.waitFor(ready);
  const fault = (name?: string) =>
    name === undefined ? rmSync(faultFile, { force: true }) : writeFileSync(faultFile, name);
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
  const after = program.stderr.length;
  program.signal('SIGHUP', pid);
  const [, successor] = await program.waitFor(/pid (\d+), generation \d+, has taken over/, {
    from: 'stderr',
    after,
  });
  return Number(successor);
}

/** The pid of the newest process: a candidate prints that it listens long before it takes over, or a moment after. */
export function newestPid(program: Program): number {
  const [, taken, back] =
    [
      ...program.stderr.matchAll(
        /pid (\d+), generation \d+, has taken over|Rolled back: this process, pid (\d+)/g,
      ),
    ].at(-1) ?? [];
  return Number(taken ?? back ?? program.pid);
}

/**
 * When a process logged a line with this text, in milliseconds, by its own clock: a test that waits for a core reads the
 * line late, and its time stays right.
 */
export async function loggedAt(program: Program, text: string, pid: number = program.pid): Promise<number> {
  const [, time] = await program.waitFor(new RegExp(`^(\\S+Z) endless ${pid} .*${text}`, 'm'), {
    from: 'stderr',
  });
  return Date.parse(time as string);
}

/** Requests `target` on a fresh connection and resolves with the JSON of the answer. */
export async function getJson<Answer>(port: number, target: string, timeout = 10_000): Promise<Answer> {
  return JSON.parse((await get({ port, path: target, timeout })).body) as Answer;
}

/** Waits until a condition holds, for 5 s by default. */
export async function until(holds: () => boolean | Promise<boolean>, timeout = 5_000): Promise<void> {
  for (const end = performance.now() + timeout; !(await holds()); await sleep(10))
    if (performance.now() > end) throw new Error(`still not so after ${timeout} ms: ${holds}`);
}
