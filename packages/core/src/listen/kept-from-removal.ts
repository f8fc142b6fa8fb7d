import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

type Remove = (target: unknown, ...rest: unknown[]) => unknown;

/** The functions of `node:fs` that remove a file, in three forms; `skip` does nothing in their place. */
const REMOVERS = [
  { holder: fs, names: ['unlinkSync', 'rmSync'], skip: () => undefined },
  { holder: fs, names: ['unlink', 'rm'], skip: callBack },
  { holder: fs.promises, names: ['unlink', 'rm'], skip: () => Promise.resolve() },
];

/**
 * Makes the functions of `node:fs` keep these paths and report success; returns the undo.
 *
 * Most programs remove the path of their unix socket before they listen, or as they exit. Both processes
 * serve that path: a client that connects before the path is restored gets ENOENT.
 */
export function keepFromRemoval(paths: readonly string[]): () => void {
  if (paths.length === 0) return () => {};
  const kept = new Set(paths.map((each) => path.resolve(each)));
  const undo = REMOVERS.flatMap(({ holder, names, skip }) =>
    names.map((name) => {
      const original = Reflect.get(holder, name) as Remove;
      const replacement: Remove = (target, ...rest) =>
        isOneOf(kept, target) ? skip(rest) : Reflect.apply(original, holder, [target, ...rest]);
      Reflect.set(holder, name, replacement);
      return () => {
        if (Reflect.get(holder, name) === replacement) Reflect.set(holder, name, original);
      };
    }),
  );
  syncBuiltinESMExports();
  return () => {
    // A package that has stored a replaced function still calls it.
    kept.clear();
    for (const fn of undo) fn();
    syncBuiltinESMExports();
  };
}

function callBack(rest: readonly unknown[]): void {
  process.nextTick(rest.at(-1) as () => void, null);
}

function isOneOf(kept: ReadonlySet<string>, target: unknown): boolean {
  if (kept.size === 0) return false;
  try {
    const name =
      target instanceof URL ? fileURLToPath(target) : Buffer.isBuffer(target) ? String(target) : target;
    return typeof name === 'string' && kept.has(path.resolve(name));
  } catch {
    return false;
  }
}
