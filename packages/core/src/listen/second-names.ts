import { linkSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import { socketInode } from './inode.js';
import { isRefused } from './stale.js';
import { boundNames } from './unix-table.js';

/** The number of random characters at the end of a second name. */
const RANDOM = 8;
/** How long a draft may have no other name, if the system does not report whether it is bound. */
const DRAFT_TIME = 5_000;

/** An unguessable name beside a path, for a socket that is being bound or as its second name. */
export function nameBeside(file: string): string {
  const random = Math.random().toString(36).slice(2).padEnd(RANDOM, '0').slice(0, RANDOM);
  return path.join(path.dirname(file), `.${path.basename(file)}.${random}`);
}

/** Links a second name beside the path of a file and returns it; undefined if the file system refuses. */
export function secondName(file: string): string | undefined {
  const name = nameBeside(file);
  return isLinked(file, name) ? name : undefined;
}

/** Links the file at `from` to the name `to` as well; returns false if that fails, as when `to` exists. */
export function isLinked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch {
    return false;
  }
}

/** Removes a name, if it exists. */
export function removeName(name: string): void {
  try {
    unlinkSync(name);
  } catch {
    // It is gone already.
  }
}

/** Removes the names beside a path that killed processes have left: sockets on which no process listens. */
export function removeLeftNames(file: string): void {
  const folder = path.dirname(file);
  try {
    const names = readdirSync(folder).filter((name) => isBeside(name, file));
    // A live socket may be the draft of another process that starts, or serve clients: do not disturb these.
    if (names.length === 0 || isBoundBeside(file)) return;
    for (const name of names) {
      const left = path.join(folder, name);
      // A file that is not a socket refuses a connection as well.
      if (socketInode(left) !== undefined && !mayBeDraft(left) && isRefused(left)) removeName(left);
    }
  } catch {
    // The folder is not readable.
  }
}

function isBeside(name: string, file: string): boolean {
  const prefix = `.${path.basename(file)}.`;
  return name.startsWith(prefix) && name.length === prefix.length + RANDOM;
}

/** Whether a live socket is bound to a name beside this path, as far as the system reports it. */
function isBoundBeside(file: string): boolean {
  const folder = path.resolve(path.dirname(file));
  return boundNames().some((name) => {
    if (!isBeside(path.basename(name), file)) return false;
    const where = path.dirname(name);
    return !path.isAbsolute(where) || where.startsWith('/proc/') || path.resolve(where) === folder;
  });
}

/** Whether a socket may be a draft: just bound, not listening yet, with no other name. */
function mayBeDraft(name: string): boolean {
  const { nlink, mtimeMs } = statSync(name);
  return nlink === 1 && Math.abs(Date.now() - mtimeMs) < DRAFT_TIME;
}
