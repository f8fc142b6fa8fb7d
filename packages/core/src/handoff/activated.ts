import type { Server } from 'node:net';
import { type Asked, type Bound, bestOf } from '../listen/address.js';
import { adoptPath, inheritedPath, isFilePath, ownPath, sharePath } from '../listen/unix-path.js';
import type { RawHandle } from '../node-private/handle.js';
import { setListeningHandle } from '../node-private/listening.js';
import type { HandedSocket } from './protocol.js';

/** A listening socket that a service manager has opened. */
export interface ActivatedSocket extends HandedSocket {
  handle: RawHandle;
}

/** Sockets that a service manager holds too: it has created their paths, and keeps them. */
const activated = new WeakSet<RawHandle>();

/** Whether a listening socket came from a service manager, to this process or to an older one. */
export function isActivated(handle: RawHandle): boolean {
  return activated.has(handle);
}

/** Remembers that a listening socket came from a service manager. */
export function markActivated(handle: RawHandle): void {
  activated.add(handle);
}

/** Marks a copy of a handle as the service manager's if the original is, and gives it the original's path. */
export function markCopy(copy: RawHandle, original: RawHandle): void {
  if (activated.has(original)) activated.add(copy);
  sharePath(copy, original);
}

/** Makes closing a handle remove the path of its unix socket, unless that path is the service manager's. */
export function ownPathOf(handle: RawHandle, bound: Bound): void {
  if ('path' in bound && isFilePath(bound.path) && !activated.has(handle)) ownPath(handle, bound.path);
}

/** The listening sockets that a service manager has opened for this process, until servers ask for them. */
export class ActivatedSockets {
  readonly #sockets: ActivatedSocket[] = [];

  constructor(sockets: readonly ActivatedSocket[]) {
    this.#sockets.push(...sockets);
    for (const { handle } of sockets) markActivated(handle);
  }

  /** Gives the server the socket of the address that it asks for, if there is one. */
  claim(server: Server, asked: Asked): boolean {
    const socket = bestOf(this.#sockets, asked);
    if (!socket) return false;
    this.#sockets.splice(this.#sockets.indexOf(socket), 1);
    const { handle, bound } = socket;
    if ('path' in bound && isFilePath(bound.path)) adoptPath(handle, inheritedPath(bound.path));
    setListeningHandle(server, handle);
    return true;
  }
}
