import { linkSync, readdirSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { socketInode } from './inode.js';
import { isRefused } from './stale.js';

/** How many random characters end a second name. */
const RANDOM = 8;

/** A name beside a path that nobody can guess: for a socket that is being bound, or as its second name. */
export function nameBeside(file: string): string {
  const random = Math.random().toString(36).slice(2).padEnd(RANDOM, '0').slice(0, RANDOM);
  return path.join(path.dirname(file), `.${path.basename(file)}.${random}`);
}

/** Gives a file one more name beside its path and returns that; undefined where the file system does not let us. */
export function secondName(file: string): string | undefined {
  const name = nameBeside(file);
  return isLinked(file, name) ? name : undefined;
}

/** Whether the file at `from` now has the name `to` as well; false where that name is taken. */
export function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}

/** Removes a name, if it is there. */
export function removeName(name: string): void {
  try {
    unlinkSync(name);
  } catch {
    // It is gone already.
  }
}

/** Removes the names beside a path that processes which were killed have left: sockets on which nobody listens. */
export function removeLeftNames(file: string): void {
  const [folder, prefix] = [path.dirname(file), `.${path.basename(file)}.`];
  try {
    for (const name of readdirSync(folder)) {
      if (!name.startsWith(prefix) || name.length !== prefix.length + RANDOM) continue;
      const left = path.join(folder, name);
      // A file of another kind refuses a connection as well.
      if (socketInode(left) !== undefined && isRefused(left)) removeName(left);
    }
  } catch {
    // A folder that may not be read.
  }
}
