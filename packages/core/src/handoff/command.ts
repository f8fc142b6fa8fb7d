import { readFileSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import type { RestartCommand } from '../settings.js';
import { environmentFor, type Replaced, rememberEnvironment } from './environment.js';
import { optionsFor } from './inspect.js';

/** A command as `spawn` takes it. */
export interface Command {
  command: string;
  args: string[];
  cwd: string | undefined;
  env: NodeJS.ProcessEnv;
  /** The variables of the environment of the start that `env` replaces. */
  replaced: Replaced;
}

/** How this process was started, as far as it can still be known. */
interface Start {
  /** Arguments as they were typed, those of Node.js first; undefined if they are not known. */
  typed: readonly string[] | undefined;
  /** The interpreter, as typed if that was a path, so that a switched link leads to the new one. */
  interpreter: string;
  /** The directory, by the name that the shell used: a path through a link stays one. */
  directory: string | undefined;
}

const start = howStarted();
rememberEnvironment(start.directory);

/**
 * The same command again, unless the settings give another: the path as typed and not as resolved, in the
 * directory of the start. So a deploy that switches a link, or replaces that directory, runs next.
 */
export function commandOf(restart: RestartCommand): Command {
  const { directory } = start;
  const cwd = restart.cwd ?? (directory !== undefined && isThere(directory) ? directory : undefined);
  return {
    command: restart.command ?? start.interpreter,
    args: [...(restart.args ?? argsOf(start))],
    cwd,
    ...environmentFor(restart),
  };
}

/** Reads how this process was started; early, before the application changes that. */
function howStarted(): Start {
  const physical = workingDirectory();
  const directory = samePlace(process.env.PWD, physical) ? process.env.PWD : physical;
  const { argv0, execPath } = process;
  const typed = commandLine();
  const named = typed && argv0.includes('/') && directory !== undefined && path.resolve(directory, argv0);
  return {
    typed,
    interpreter: named && realPath(named) === execPath ? named : execPath,
    directory,
  };
}

/** The script by its absolute path; all other arguments as they were typed. */
function argsOf({ typed, directory }: Start): readonly string[] {
  const options = optionsFor(process.execArgv);
  const at = options.length;
  if (!typed || directory === undefined) return [...options, ...process.argv.slice(1)];
  return typed.map((arg, index) => {
    if (index < at) return options[index] as string;
    const script = path.resolve(directory, arg);
    return index === at && arg !== '' && !arg.startsWith('-') && isThere(script) ? script : arg;
  });
}

/**
 * The arguments as they were typed. A title that the program gave itself, or any other text that does not
 * begin as Node.js was started, is ignored.
 */
function commandLine(): string[] | undefined {
  let words: string[];
  try {
    words = readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1);
  } catch {
    return undefined;
  }
  const [argv0, ...args] = words;
  // The preload of endless, which has removed itself from `process.execArgv`.
  if (args[0] === '--require' && path.basename(args[1] ?? '') === 'preload.cjs' && !isPreloaded(args[1]))
    args.splice(0, 2);
  const { execArgv } = process;
  const known = argv0 === process.argv0 && execArgv.every((arg, index) => args[index] === arg);
  return known && args[execArgv.length] !== '' ? args : undefined;
}

function isPreloaded(file: string | undefined): boolean {
  return process.execArgv[0] === '--require' && process.execArgv[1] === file;
}

function workingDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    // The directory was deleted.
    return undefined;
  }
}

function samePlace(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined || !path.isAbsolute(one)) return false;
  try {
    const [a, b] = [statSync(one, { bigint: true }), statSync(other, { bigint: true })];
    return a.dev === b.dev && a.ino === b.ino;
  } catch {
    return false;
  }
}

function realPath(file: string): string | undefined {
  try {
    return realpathSync(file);
  } catch {
    return undefined;
  }
}

/** Whether a path exists, or the permission model hides it: that throws, even from `existsSync`. */
function isThere(file: string): boolean {
  try {
    statSync(file);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_ACCESS_DENIED';
  }
}
