import { execFile } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Served, type ServeOptions, serve, temporaryFolder, until } from '@endless/conformance';

export { getJson, type Served, temporaryFolder, until } from '@endless/conformance';

/** The built command. */
export const BIN = fileURLToPath(new URL('../dist/bin.js', import.meta.url));

/** The path of a fixture program. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

/** A program under `endless run`. */
export interface Run extends Served {
  /** The control socket. */
  socket: string;
  /** Runs another command of endless for it; resolves with its exit code and output. */
  command(...words: string[]): Promise<{ code: number; output: string }>;
}

/** How a program starts under `endless run`. */
export interface RunOptions extends ServeOptions {
  flags?: string[];
  settings?: object;
  /** Another path to the fixture, such as one through a link. */
  file?: string;
  /** Another path of the control socket; null leaves it to the supervisor. */
  control?: string | null;
}

/** Starts a fixture under `endless run`; the test ends every process of it. */
export async function run(
  name: string,
  { flags = [], settings, file = fixture(name), control, ...options }: RunOptions = {},
): Promise<Run> {
  // The path of a unix socket is short, and the folder is gone with the test.
  const socket = control ?? path.join(temporaryFolder(), 'control');
  const served = await serve(BIN, settings, {
    ...options,
    args: [
      'run',
      ...(control === null ? [] : ['--control', socket]),
      ...flags,
      file,
      ...(options.args ?? []),
    ],
  });
  if (options.ready === undefined) await served.program.waitFor(/worker 0: pid \d+ is ready/);
  const command = async (...words: string[]) => {
    try {
      const { stdout, stderr } = await promisify(execFile)(
        process.execPath,
        [BIN, ...words, '--control', socket],
        {
          timeout: 60_000,
        },
      );
      return { code: 0, output: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, output: `${stdout}${stderr}` };
    }
  };
  return { ...served, socket, command };
}

/** Waits until a line of the supervisor has come so many times. */
export async function lines(
  { program }: Run,
  pattern: RegExp,
  count: number,
  timeout = 15_000,
): Promise<void> {
  const all = new RegExp(pattern, 'g');
  await until(() => [...program.stderr.matchAll(all)].length >= count, timeout);
}

/** The pids of the workers that are ready, by index, as the supervisor has logged them last. */
export function workers({ program }: Run): number[] {
  const pids: number[] = [];
  for (const [, index, pid] of program.stderr.matchAll(/worker (\d+)(?:: pid| is now pid) (\d+)/g))
    pids[Number(index)] = Number(pid);
  return pids;
}
