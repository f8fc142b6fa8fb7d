import { randomBytes } from 'node:crypto';
import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';

/** What is at the path of a socket. */
export type Found = 'nothing' | 'served' | 'other';

/** What a client gets at a socket that no process serves. */
const UNSERVED = ['ECONNREFUSED', 'ENOENT'];

/** Removes a socket that no process serves, and no other file; resolves with what is there then. */
export async function removeStale(socketPath: string): Promise<Found> {
  if (lstatSync(socketPath, { throwIfNoEntry: false })?.isSocket() === false) return 'other';
  if (await isServed(socketPath)) return 'served';
  // Another process may have replaced the stale one just now: look again at what was taken away.
  const taken = path.join(path.dirname(socketPath), shortName());
  try {
    renameSync(socketPath, taken);
  } catch {
    // Another process was faster, or the folder is not ours: the next try to listen gives the reason.
    return 'nothing';
  }
  const served = await isServed(taken);
  try {
    if (served) linkSync(taken, socketPath);
  } catch {
    // A third process listens there by now.
  }
  unlinkSync(taken);
  return served ? 'served' : 'nothing';
}

/** A name that no file has, and short: no client reaches a socket whose path is too long. */
function shortName(): string {
  return `.${randomBytes(3).toString('base64url')}`;
}

/** Whether a process serves a socket. One with a full queue, or of another user, counts as served. */
function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(!UNSERVED.includes(code ?? '')));
  });
}
