import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { get, type Program, type ProgramOptions, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, temporaryFolder, until } from './program.js';

/** A program on a unix socket in a folder of its own. */
export interface OnPath {
  program: Program;
  file: string;
  /** The actions of successors on the path. */
  successorsDo(what: string): void;
  /** The generation that answers on the path, or the code of the error. */
  answers(): Promise<string>;
  /** The mode of the path; undefined where there is no socket. */
  mode(): number | undefined;
  /** The names in the folder. */
  names(): string[];
}

/** Starts the fixture, which does these things with its path. */
export async function serveOnPath(
  does = '',
  { file = path.join(temporaryFolder(), 'app.sock'), ...options }: ProgramOptions & { file?: string } = {},
): Promise<OnPath> {
  const doesFile = path.join(temporaryFolder(), 'does');
  const program = startProgram(fixture('unix-paths.mjs'), {
    ...options,
    env: { UNIX_PATH: file, DOES: does, DOES_FILE: doesFile, ...options.env },
  });
  onTestFinished(() => program.stop());
  await program.waitFor(/listening \d+ 0/);
  return {
    program,
    file,
    successorsDo: (what) => writeFileSync(doesFile, what),
    answers: () =>
      get({ socketPath: file }).then(
        ({ body }) => body,
        ({ code }) => code,
      ),
    mode: () => (existsSync(file) && statSync(file).isSocket() ? statSync(file).mode & 0o777 : undefined),
    names: () => readdirSync(path.dirname(file)),
  };
}

/** Stops the newest process, and expects that it leaves nothing in the folder. */
export async function stopsWithoutTrace({ program, names }: OnPath, pid: number): Promise<void> {
  program.signal('SIGTERM', pid);
  await program.waitForPids(0);
  expect(names()).toEqual([]);
}

/** Waits until the old process is gone and its successor has tidied up, and sees the path alone in its folder. */
export async function oldOneGone({ program, names, file }: OnPath): Promise<void> {
  await program.waitForPids(1);
  await until(() => names().length === 1);
  expect(names()).toEqual([path.basename(file)]);
}
