import { fileURLToPath } from 'node:url';
import { type Served, type ServeOptions, serve as serveFile } from '@endless/conformance';

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
