import cluster from 'node:cluster';
import fs, { chmodSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import type { RawHandle } from '../node-private/handle.js';
import { listeningHandle, onListeningHandle, setListeningHandle } from '../node-private/listening.js';
import { socketInode } from './inode.js';
import { type OwnPath, putBack } from './own-path.js';
import { privateServers } from './private-servers.js';
import { isLinked, nameBeside, removeLeftNames, removeName, secondName } from './second-names.js';
import { replaceStale } from './stale.js';

/** The most bytes in the name of a unix socket. */
const LONGEST_NAME = process.platform === 'linux' ? 107 : 103;

/** The original, stored before a restart keeps the program from removing its path. */
const { unlinkSync } = fs;

const owned = new WeakMap<RawHandle, OwnPath>();

/** Whether Node treats this path as a file: not a Windows pipe, not one of Linux's abstract names. */
export function isFilePath(socketPath: string): boolean {
  return process.platform !== 'win32' && !socketPath.startsWith('\0');
}

/**
 * Binds the unix socket of a server so that closing it does not remove the path; see decision 005. If the
 * path is taken or this fails, nothing changes, and Node's own bind follows.
 */
export function bindBesidePath(server: Server, socketPath: string): void {
  // The primary of a cluster binds what its workers ask for, and would keep a draft.
  if (cluster.isWorker || isTooLong(socketPath)) return;
  removeLeftNames(socketPath);
  const draft = nameBeside(socketPath);
  const handle = bindDraft(draft);
  if (!handle) return;
  let isOurs = false;
  try {
    isOurs = isLinked(draft, socketPath) || replaceStale(draft, socketPath);
  } finally {
    removeName(draft);
    if (!isOurs) handle.close();
  }
  if (!isOurs) return;
  ownPath(handle, socketPath);
  setListeningHandle(server, handle);
}

/** The handle of a socket that is bound to this name and does not listen; undefined if the bind fails. */
function bindDraft(draft: string): RawHandle | undefined {
  const handle = bind(draft);
  if (handle || process.platform !== 'linux') return handle;
  // Through its descriptor, the name of every folder is short.
  let folder: number | undefined;
  try {
    folder = openSync(path.dirname(draft), constants.O_RDONLY | constants.O_DIRECTORY);
    return bind(`/proc/self/fd/${folder}/${path.basename(draft)}`);
  } catch {
    return undefined;
  } finally {
    if (folder !== undefined) closeSync(folder);
  }
}

function bind(name: string): RawHandle | undefined {
  if (isTooLong(name)) return undefined;
  const carrier = createServer();
  privateServers.add(carrier);
  // The application must not get the error of a failed bind.
  carrier.on('error', () => {});
  onListeningHandle(carrier, (handle) => {
    handle.listen = () => 0;
  });
  carrier.listen(name);
  const handle = listeningHandle(carrier);
  if (!handle) return undefined;
  setListeningHandle(carrier, null);
  Reflect.deleteProperty(handle, 'listen');
  return handle;
}

/** Whether the name is too long for the system; Node.js 20 would bind a truncated name. */
function isTooLong(name: string): boolean {
  return Buffer.byteLength(name) > LONGEST_NAME;
}

/** The known path of a listening handle. */
export function pathOf(handle: RawHandle): OwnPath | undefined {
  return owned.get(handle);
}

/** Makes a handle own the path as if it had bound it: closing removes the path, `fchmod` sets its mode. */
export function ownPath(handle: RawHandle, socketPath: string): void {
  const own = owned.get(handle) ?? adoptPath(handle, inheritedPath(socketPath));
  const close = handle.close;
  handle.close = (callback) => {
    removePath(own);
    close.call(handle, callback);
  };
  handle.fchmod = (mode) => {
    const readable = mode & 1 ? 0o444 : 0;
    const writable = mode & 2 ? 0o222 : 0;
    chmodSync(own.path, (Number(statSync(own.path, { bigint: true }).mode) & 0o777) | readable | writable);
    return 0;
  };
}

/** Remembers the path of a handle without making the handle own it. */
export function adoptPath(handle: RawHandle, own: OwnPath): OwnPath {
  owned.set(handle, own);
  return own;
}

/** Whether Node has bound the path of a listening server, and it cannot be restored after Node removes it. */
export function losesPath(server: Server, socketPath: string): boolean {
  const handle = listeningHandle(server);
  if (!handle || cluster.isWorker || !isFilePath(socketPath) || owned.has(handle)) return false;
  const name = secondName(socketPath);
  if (name !== undefined) removeName(name);
  return name === undefined;
}

/** The path of an existing unix socket, restored from its second name if the program has removed it. */
export function inheritedPath(socketPath: string, given?: string): OwnPath {
  const absolute = path.resolve(socketPath);
  const inode = socketInode(given ?? absolute);
  const own = { path: absolute, inode, ...(given !== undefined && { given }), removed: false };
  putBack(own, given);
  return own;
}

/** Gives a copy of a handle the path of the original. */
export function sharePath(copy: RawHandle, original: RawHandle): void {
  const own = owned.get(original);
  if (own) owned.set(copy, own);
}

/** Leaves the path to a successor: closing no longer removes it. */
export function leavePath(server: Server): void {
  const handle = listeningHandle(server);
  if (handle) Reflect.deleteProperty(handle, 'close');
}

function removePath(own: OwnPath): void {
  own.removed = true;
  try {
    if (own.inode !== undefined && socketInode(own.path) === own.inode) unlinkSync(own.path);
  } catch {
    // It is gone already.
  }
}
