import { linkSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { socketInode } from './inode.js';
import { isRefused } from './stale.js';
import { boundNames } from './unix-table.js';

/** How many random characters end a second name. */
const RANDOM = 8;
/** How long a draft may be without another name, where the system does not tell whether it is bound. */
const DRAFT_TIME = 5_000;

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
  const folder = path.dirname(file);
  try {
    const names = readdirSync(folder).filter((name) => isBeside(name, file));
    // What lives there may be a draft of another process that starts, or serve clients, who are not to be disturbed.
    if (names.length === 0 || isBoundBeside(file)) return;
    for (const name of names) {
      const left = path.join(folder, name);
      // A file of another kind refuses a connection as well.
      if (socketInode(left) !== undefined && !mayBeDraft(left) && isRefused(left)) removeName(left);
    }
  } catch {
    // A folder that may not be read.
  }
}

function isBeside(name: string, file: string): boolean {
  const prefix = `.${path.basename(file)}.`;
  return name.startsWith(prefix) && name.length === prefix.length + RANDOM;
}

/** Whether a socket that lives is bound to a name beside this path, as far as the system tells. */
function isBoundBeside(file: string): boolean {
  const folder = path.resolve(path.dirname(file));
  return boundNames().some((name) => {
    if (!isBeside(path.basename(name), file)) return false;
    const where = path.dirname(name);
    return !path.isAbsolute(where) || where.startsWith('/proc/') || path.resolve(where) === folder;
  });
}

/** Whether a socket may be one that was bound just now, does not listen yet, and has no other name. */
function mayBeDraft(name: string): boolean {
  const { nlink, mtimeMs } = statSync(name);
  return nlink === 1 && Math.abs(Date.now() - mtimeMs) < DRAFT_TIME;
}
