import { unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';

/** Another supervisor answers on the control socket. */
export class SocketInUse extends Error {}

/** Makes a server listen on a control socket that only this user can open; replaces one that no process serves. */
export async function listenOnControl(server: Server, socketPath: string): Promise<void> {
  try {
    await listenOnce(server, socketPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    if (await isServed(socketPath)) throw new SocketInUse(`another supervisor serves ${socketPath}`);
    unlinkSync(socketPath);
    await listenOnce(server, socketPath);
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

function isServed(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
