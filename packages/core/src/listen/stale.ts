import { linkSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** How long an answer may take; whoever takes longer lives. */
const PATIENCE = 2_000;
/** Time for a program that has bound the path just now to listen on it. */
const AGAIN = 100;

/** Asks from another thread, since the listening server cannot wait for an event of its own. */
const ASK = `
const { workerData: { path, answer } } = require('node:worker_threads');
const cell = new Int32Array(answer);
const tell = (value) => { Atomics.store(cell, 0, value); Atomics.notify(cell, 0); };
require('node:net').connect(path)
  .once('connect', function () { this.destroy(); tell(1); })
  .once('error', ({ code }) => tell(code === 'ECONNREFUSED' ? 2 : 1));
`;
const REFUSED = 2;

/**
 * Puts the socket at `draft` in the place of one that a crash has left at `socketPath`; false, and nothing changed, where
 * somebody listens there, or what is there is no socket.
 *
 * Several processes may do this at once: the old name can be moved away by one of them alone, and whoever finds that it
 * has moved another one's fresh socket puts it back.
 */
export function replaceStale(draft: string, socketPath: string): boolean {
  const found = identityOf(socketPath);
  if (found === undefined || !isRefused(socketPath)) return false;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, AGAIN);
  if (!isRefused(socketPath) || identityOf(socketPath) !== found) return false;
  const aside = `${draft}.stale`;
  try {
    renameSync(socketPath, aside);
    const mine = identityOf(aside) === found;
    try {
      linkSync(mine ? draft : aside, socketPath);
    } finally {
      unlinkSync(aside);
    }
    return mine;
  } catch {
    // Somebody else was quicker.
    return false;
  }
}

/** Which socket this is, also if its inode is used again; undefined where there is none. */
function identityOf(file: string): string | undefined {
  try {
    const stat = statSync(file, { bigint: true });
    // The time of the last change is that of the rename as well.
    return stat.isSocket() ? `${stat.dev} ${stat.ino} ${stat.mtimeNs}` : undefined;
  } catch {
    return undefined;
  }
}

/** Whether nobody listens on the socket at this path; false where that cannot be found out. */
export function isRefused(socketPath: string): boolean {
  const answer = new SharedArrayBuffer(4);
  const cell = new Int32Array(answer);
  let worker: Worker;
  try {
    worker = new Worker(ASK, {
      eval: true,
      // None of the application's preloads and loaders, which could wait for the thread that waits here.
      execArgv: [],
      env: {},
      workerData: { path: socketPath, answer },
    });
  } catch {
    // The permission model allows no worker.
    return false;
  }
  worker.on('error', () => {});
  worker.unref();
  Atomics.wait(cell, 0, 0, PATIENCE);
  const refused = Atomics.load(cell, 0) === REFUSED;
  void worker.terminate();
  return refused;
}
