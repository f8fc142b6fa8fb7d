import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { counts, isSkipped, type Watched, type WatchedFolder } from './watched.js';

/** The files that count, by path, each with a text that changes when the file is written. */
export type Snapshot = Map<string, string>;

/** Reads the state of everything that is watched. `enter` is called with each folder, before it is read. */
export async function snapshotOf(
  { folders, files }: Watched,
  enter: (folder: string, root: WatchedFolder) => void,
): Promise<Snapshot> {
  const found: Snapshot = new Map();
  const add = async (file: string) => {
    const mark = await markOf(file);
    if (mark !== undefined) found.set(file, mark);
  };
  await Promise.all([
    ...folders.map((root) => walk(root.path, root, { enter, add, seen: new Set() })),
    ...files.map(add),
  ]);
  return found;
}

/** The paths that are in one of two snapshots only, or were written between them. */
export function changesBetween(before: Snapshot, after: Snapshot): string[] {
  const gone = [...before.keys()].filter((file) => !after.has(file));
  return [...gone, ...[...after.keys()].filter((file) => after.get(file) !== before.get(file))];
}

interface Walk {
  enter(folder: string, root: WatchedFolder): void;
  add(file: string): Promise<void>;
  /** The folders that links have led to: a link may lead to a folder above it. */
  seen: Set<string>;
}

async function walk(folder: string, root: WatchedFolder, context: Walk): Promise<void> {
  const { enter, add, seen } = context;
  // First: a write from now on is seen by a watch, or is read below.
  enter(folder, root);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  await Promise.all(
    entries.map(async (entry) => {
      if (isSkipped(entry.name)) return;
      const at = path.join(folder, entry.name);
      let isFolder = entry.isDirectory();
      if (entry.isSymbolicLink()) {
        const target = await realpath(at).catch(() => undefined);
        if (target === undefined || seen.has(target)) return;
        isFolder = (await stat(target).catch(() => undefined))?.isDirectory() ?? false;
        if (isFolder) seen.add(target);
      }
      if (isFolder) await walk(at, root, context);
      else if (counts(entry.name, root)) await add(at);
    }),
  );
}

async function markOf(file: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeMs } = await stat(file);
    return `${ino} ${size} ${mtimeMs}`;
  } catch {
    return undefined;
  }
}
