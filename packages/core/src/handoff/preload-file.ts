import { createHash, randomUUID } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PRELOAD = fileURLToPath(new URL('./preload.cjs', import.meta.url));

/**
 * The preload for a successor: a copy outside of every release, or this release's file if that is impossible.
 * Undefined if a deploy has deleted this release; a successor also starts without a preload.
 *
 * Node.js loads it again in each worker thread of the successor, at a time when this release may be gone.
 */
export function preloadFile(): string | undefined {
  let text: string;
  try {
    text = readFileSync(PRELOAD, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return copyOf(text);
  } catch {
    return PRELOAD;
  }
}

/** The path of a checked copy; throws if none can be made. The preload recognizes the folder by its name. */
function copyOf(text: string): string {
  const temporary = realpathSync(tmpdir());
  refuseShared(temporary);
  const own = path.join(temporary, `endless-${process.geteuid?.()}`);
  const folder = path.join(own, createHash('sha256').update(text).digest('hex').slice(0, 16));
  for (const each of [own, folder]) makeOwn(each);
  const file = path.join(folder, 'preload.cjs');
  if (textOf(file) !== text) {
    const draft = path.join(folder, randomUUID());
    writeFileSync(draft, text, { flag: 'wx', mode: 0o644 });
    renameSync(draft, file);
  }
  if (process.permission?.has('fs.read', file) === false) throw new Error(`${file} may not be read`);
  return file;
}

/** Throws if another user could replace the copy: in that user's folder, or where all users may rename. */
function refuseShared(folder: string): void {
  const { uid, mode } = statSync(folder);
  const mine = uid === 0 || uid === process.geteuid?.();
  const sticky = (mode & 0o1000) !== 0 || (mode & 0o022) === 0;
  if (!mine || !sticky) throw new Error(`${folder} is not safe`);
}

/**
 * Makes a folder to which only this user may write. A successor that gives up root may read it. Throws if
 * another folder is there.
 */
function makeOwn(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o755 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const stat = lstatSync(folder);
  if (!stat.isDirectory() || stat.uid !== process.geteuid?.() || (stat.mode & 0o022) !== 0)
    throw new Error(`${folder} is not ours`);
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
