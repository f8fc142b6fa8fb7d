import { fileURLToPath } from 'node:url';
import { type Served, type ServeOptions, serve as serveFile } from '@endless/conformance';
import type { Program } from '@endless/testkit';

export {
  getJson,
  hup,
  loggedAt,
  newestPid,
  RawClient,
  type Served,
  type ServeOptions,
  temporaryFolder,
  until,
} from '@endless/conformance';

/** The path of a fixture program. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

/** Starts a fixture, waits until it listens, and ends every process of it with the test. */
export function serve(name: string, settings?: object, options?: ServeOptions): Promise<Served> {
  return serveFile(fixture(name), settings, options);
}

/** When a process of a fixture that tells of its exit exited, in milliseconds, by its own clock, as `loggedAt`. */
export async function exitedAt(program: Program, pid: number = program.pid): Promise<number> {
  const [, time] = await program.waitFor(new RegExp(`^left ${pid} at (\\d+)`, 'm'), { from: 'stdout' });
  return Number(time);
}

/**
 * Sends a signal to the first process of such a fixture; resolves with when it was sent, with the status of the process, and
 * with the milliseconds to its exit.
 */
export async function endTimed(program: Program, signal: NodeJS.Signals) {
  program.signal(signal);
  const sent = Date.now();
  const status = await program.exited;
  return { status, sent, after: (await exitedAt(program)) - sent };
}
