import { chmodSync, linkSync, statSync, unlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { listeningHandle, type RawHandle, setListeningHandle } from '../node-private.js';
import { privateServers } from '../readiness/health.js';
import { replaceStale } from './stale.js';

/** Whether Node would take this path for a file: not a Windows pipe, not Linux's abstract names. */
export function isFilePath(socketPath: string): boolean {
  return process.platform !== 'win32' && !socketPath.startsWith('\0');
}

/**
 * Binds the unix socket of a server so that closing it does not remove the path: Node unlinks the name that it bound,
 * also while a successor serves on it. So the name that is bound is a draft, and the path a second link to it. A
 * socket that a crash has left there makes way. Where the path is taken, or this cannot be done, nothing is changed, and
 * Node's own bind says why.
 */
export function bindBesidePath(server: Server, socketPath: string): void {
  const draft = path.join(path.dirname(socketPath), `.${process.pid}.${(drafts++).toString(36)}`);
  const carrier = createServer();
  privateServers.add(carrier);
  // A draft that cannot be bound is no error of the application's.
  carrier.on('error', () => {});
  carrier.listen(draft);
  const handle = listeningHandle(carrier);
  if (!handle) return;
  if (!isLinked(draft, socketPath) && !replaceStale(draft, socketPath)) {
    carrier.close();
    return;
  }
  unlinkSync(draft);
  setListeningHandle(carrier, null);
  ownPath(handle, socketPath);
  setListeningHandle(server, handle);
}

let drafts = 0;

function isLinked(draft: string, socketPath: string): boolean {
  try {
    linkSync(draft, socketPath);
    return true;
  } catch {
    return false;
  }
}

/** Makes a handle treat the path as if it had bound it: closing removes it, and its mode is the path's. */
export function ownPath(handle: RawHandle, socketPath: string): void {
  const close = handle.close;
  handle.close = (callback) => {
    removePath(socketPath);
    close.call(handle, callback);
  };
  handle.fchmod = (mode) => {
    const readable = mode & 1 ? 0o444 : 0;
    const writable = mode & 2 ? 0o222 : 0;
    chmodSync(
      socketPath,
      (Number(statSync(socketPath, { bigint: true }).mode) & 0o777) | readable | writable,
    );
    return 0;
  };
}

/** Leaves the path to a successor: closing no longer removes it. */
export function leavePath(server: Server): void {
  const handle = listeningHandle(server);
  if (handle) Reflect.deleteProperty(handle, 'close');
}

function removePath(socketPath: string): void {
  try {
    if (statSync(socketPath, { bigint: true }).isSocket()) unlinkSync(socketPath);
  } catch {
    // It is gone already.
  }
}
