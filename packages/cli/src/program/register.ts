import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

/**
 * What a worker loads first: `@endless/core/register` of the program's own copy, so that the program and the
 * supervisor use one copy of endless; else the one that came with this command.
 */
export function registerFor(script: string): string {
  const own = createRequire(pathToFileURL(script));
  try {
    return own.resolve('@endless/core/register');
  } catch {
    return createRequire(import.meta.url).resolve('@endless/core/register');
  }
}
