import { readFileSync } from 'node:fs';
import path from 'node:path';
import { builtin } from '../builtin.js';
import type { RestartCommand } from '../settings.js';
import { nodeOptionsFor } from './inspect.js';
import { HANDOFF_VARIABLE, SUPERVISOR_VARIABLE } from './protocol.js';

/** The variables that `restart.env` replaced, with their values before; null if a variable was not set. */
export type Replaced = Record<string, string | null>;

/** Variables that are for one process only: of systemd, Node's IPC channel, `node:cluster`, and endless. */
const OF_ONE_PROCESS = [
  HANDOFF_VARIABLE,
  SUPERVISOR_VARIABLE,
  'LISTEN_PID',
  'LISTEN_FDS',
  'LISTEN_FDNAMES',
  'WATCHDOG_PID',
  'NODE_CHANNEL_FD',
  'NODE_CHANNEL_SERIALIZATION_MODE',
  'NODE_UNIQUE_ID',
];

let start: NodeJS.ProcessEnv = {};

/** Reads the environment with which this process was started; the kernel keeps it unchanged. */
export function rememberEnvironment(directory: string | undefined): void {
  start = withoutOwn(fromKernel() ?? fromProcess(directory));
}

/**
 * The environment of a successor: that of the start, overridden by `restart.env`. The program's changes to
 * `process.env` stay behind: the successor reads a changed `.env` file, and gets a deleted secret again.
 */
export function environmentFor({ env = {}, cwd }: RestartCommand): {
  env: NodeJS.ProcessEnv;
  replaced: Replaced;
} {
  const here = cwd !== undefined && path.isAbsolute(cwd) ? { PWD: cwd } : {};
  const replaced = Object.fromEntries(Object.keys(env).map((name) => [name, start[name] ?? null]));
  const options = start.NODE_OPTIONS && nodeOptionsFor(start.NODE_OPTIONS);
  const inspect = options === undefined ? {} : { NODE_OPTIONS: options };
  return { env: { ...start, ...inspect, ...here, ...env }, replaced };
}

/** Undoes what the predecessor's `restart.env` has changed in the environment of the start. */
export function restoreEnvironment(replaced: Replaced): void {
  for (const [name, value] of Object.entries(replaced))
    if (value === null) delete start[name];
    else start[name] = value;
}

function fromKernel(): NodeJS.ProcessEnv | undefined {
  try {
    const entries = readFileSync('/proc/self/environ', 'utf8').split('\0').reverse();
    // If a name occurs twice, its first entry counts.
    return Object.fromEntries(
      entries
        .map((entry) => [entry, entry.indexOf('=')] as const)
        .filter(([, at]) => at > 0)
        .map(([entry, at]) => [entry.slice(0, at), entry.slice(at + 1)]),
    );
  } catch {
    return undefined;
  }
}

/** Without `/proc`: the current environment, less what `--env-file` set, since that file is read again. */
function fromProcess(directory: string | undefined): NodeJS.ProcessEnv {
  const variables = { ...process.env };
  for (const [name, value] of Object.entries(variablesOf(process.execArgv, directory)))
    if (variables[name] === value) delete variables[name];
  return variables;
}

function withoutOwn(variables: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { WATCHDOG_PID } = variables;
  // A watchdog that was not meant for this process is not meant for its successor.
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(process.pid)) delete variables.WATCHDOG_USEC;
  for (const name of OF_ONE_PROCESS) delete variables[name];
  return variables;
}

/** The variables of every `--env-file` among these options; a later file overrides an earlier one. */
function variablesOf(execArgv: readonly string[], directory = '.'): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [index, arg] of execArgv.entries()) {
    const [, joined] = /^--env-file(?:-if-exists)?(?:=(.*))?$/.exec(arg) ?? [];
    if (!arg.startsWith('--env-file')) continue;
    try {
      const file = path.resolve(directory, joined ?? execArgv[index + 1] ?? '');
      Object.assign(variables, builtin('node:util').parseEnv(readFileSync(file, 'utf8')));
    } catch {
      // The file was deleted since, or never existed.
    }
  }
  return variables;
}
