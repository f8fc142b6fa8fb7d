import { readFileSync, realpathSync } from 'node:fs';

/** The files of `@endless/cli` that a process can run, and its folder before them. */
const COMMAND = /^(.*)[\\/]dist[\\/](?:bin|drill[\\/]run-child)\.js$/;

/**
 * Whether this script is a command of `@endless/cli`, such as its supervisor: `NODE_OPTIONS` can load endless into
 * it too, and it has signals and sockets of its own.
 */
export function isEndlessCommand(script: string | undefined): boolean {
  try {
    // npm makes a link to it in `node_modules/.bin`.
    const [, folder] = COMMAND.exec(realpathSync(script ?? '')) ?? [];
    if (folder === undefined) return false;
    const { name } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as { name?: unknown };
    return name === '@endless/cli';
  } catch {
    return false;
  }
}

/** Whether this process runs such a command. */
export const RUNS_ENDLESS_COMMAND = isEndlessCommand(process.argv[1]);
