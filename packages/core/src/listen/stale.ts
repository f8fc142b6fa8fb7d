import { linkSync, renameSync, statSync, unlinkSync } from 'node:fs';
import { Worker } from 'node:worker_threads';

/** How long an answer may take; a process that takes longer is alive. */
const PATIENCE = 2_000;
/** Time for a program that has bound the path just now to listen on it. */
const AGAIN = 100;

/** Connects from another thread, since `listen` cannot wait for an event of its own thread. */
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
 * Replaces the socket that a crash has left at `socketPath` by the one at `draft`. Returns false and changes
 * nothing if a process listens there, or if the file is not a socket.
 *
 * Several processes may do this at once. Only one of them can move the old name. A process that finds that it
 * has moved the fresh socket of another one puts it back.
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
    // Another process was faster.
    return false;
  }
}

/** Identifies a socket, also if its inode is used again; undefined if there is no socket. */
function identityOf(file: string): string | undefined {
  try {
    const stat = statSync(file, { bigint: true });
    // Not the time of the last change: a rename changes it too.
    return stat.isSocket() ? `${stat.dev} ${stat.ino} ${stat.mtimeNs}` : undefined;
  } catch {
    return undefined;
  }
}

/** Whether no process listens on the socket at this path; false if that is unknown. */
export function isRefused(socketPath: string): boolean {
  const answer = new SharedArrayBuffer(4);
  const cell = new Int32Array(answer);
  let worker: Worker;
  try {
    worker = new Worker(ASK, {
      eval: true,
      // Without the application's preloads and loaders, which could wait for this waiting thread.
      execArgv: [],
      env: {},
      workerData: { path: socketPath, answer },
    });
  } catch {
    // The permission model forbids workers.
    return false;
  }
  worker.on('error', () => {});
  worker.unref();
  Atomics.wait(cell, 0, 0, PATIENCE);
  const refused = Atomics.load(cell, 0) === REFUSED;
  void worker.terminate();
  return refused;
}
