import { linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';

/** Another supervisor answers on the control socket. */
export class SocketInUse extends Error {}

/** The most bytes of the path of a unix socket: Node.js 20 cuts a longer one off in silence. */
const LONGEST_PATH = process.platform === 'linux' ? 107 : 103;

/** What a client gets at a socket that no process serves. */
const UNSERVED = ['ECONNREFUSED', 'ENOENT'];

/** Makes a server listen on a control socket that only this user can open; replaces one that no process serves. */
export async function listenOnControl(server: Server, socketPath: string): Promise<void> {
  if (Buffer.byteLength(socketPath) > LONGEST_PATH)
    throw new Error(`the path of a socket has at most ${LONGEST_PATH} bytes: ${socketPath}`);
  try {
    await listenOnce(server, socketPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    await removeStale(socketPath);
    await listenOnce(server, socketPath).catch((again: NodeJS.ErrnoException) => {
      throw again.code === 'EADDRINUSE' ? inUse(socketPath) : again;
    });
  }
}

function listenOnce(server: Server, socketPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // Binding happens within the call, so no other user can open the socket before its mode is right.
    const mask = process.umask(0o177);
    try {
      server.listen(socketPath, () => {
        server.off('error', reject);
        resolve();
      });
    } finally {
      process.umask(mask);
    }
  });
}

/** Removes a socket that no process serves; throws if one does, and leaves every other file alone. */
async function removeStale(socketPath: string): Promise<void> {
  if (lstatSync(socketPath, { throwIfNoEntry: false })?.isSocket() === false)
    throw new Error(`${socketPath} is not a socket`);
  if (await isServed(socketPath)) throw inUse(socketPath);
  // Another supervisor may have replaced the stale one just now: look again at what was taken away.
  const taken = `${socketPath}.${process.pid}`;
  try {
    renameSync(socketPath, taken);
  } catch {
    // Another supervisor was faster, or the next try to listen gives the reason.
    return;
  }
  const served = await isServed(taken);
  if (served) linkSync(taken, socketPath);
  unlinkSync(taken);
  if (served) throw inUse(socketPath);
}

function inUse(socketPath: string): SocketInUse {
  return new SocketInUse(`another supervisor serves ${socketPath}`);
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
