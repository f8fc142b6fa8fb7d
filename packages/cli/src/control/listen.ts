import type { Server } from 'node:net';
import { removeStale } from '../supervisor/stale-socket.js';

/** Another supervisor answers on the control socket. */
export class SocketInUse extends Error {}

/** The most bytes of the path of a unix socket: Node.js 20 cuts a longer one off in silence. */
const LONGEST_PATH = process.platform === 'linux' ? 107 : 103;

/** Makes a server listen on a control socket that only this user can open; replaces one that no process serves. */
export async function listenOnControl(server: Server, socketPath: string): Promise<void> {
  if (Buffer.byteLength(socketPath) > LONGEST_PATH)
    throw new Error(`the path of a socket has at most ${LONGEST_PATH} bytes: ${socketPath}`);
  try {
    await listenOnce(server, socketPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    const found = await removeStale(socketPath);
    if (found === 'other') throw new Error(`${socketPath} is not a socket`);
    if (found === 'served') throw inUse(socketPath);
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

function inUse(socketPath: string): SocketInUse {
  return new SocketInUse(`another supervisor serves ${socketPath}`);
}
