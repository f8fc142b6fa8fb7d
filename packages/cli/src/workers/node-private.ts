import { Socket } from 'node:net';

/**
 * Every private name of Node.js that the supervisor relies on, apart from those that core has for it. Handles come and go by public calls; the
 * descriptor of a handle, and a pipe that must not be read, have no public name.
 */

/** The C++ side of a listening socket, as `child.on('message')` hands it out. */
export interface RawHandle {
  readonly fd: number;
  close(): void;
}

/** Whether a handle that came with a message is a listening socket that can be given to a worker. */
export function isRawHandle(handle: unknown): handle is RawHandle {
  const { fd, close } = (handle ?? {}) as { fd?: unknown; close?: unknown };
  return typeof fd === 'number' && fd >= 0 && typeof close === 'function';
}

/** Closes any handle that came with a message: of Node.js, or a socket or server of its own. */
export function closeHandle(handle: unknown): void {
  const { close, destroy } = (handle ?? {}) as Record<'close' | 'destroy', unknown>;
  for (const end of [destroy, close]) if (typeof end === 'function') return void end.call(handle);
}

/** Leaves what comes on a pipe unread, so that the process that gets the pipe reads it. */
export function leaveUnread(pipe: Socket): void {
  (pipe as unknown as { _handle: { readStop(): void } | null })._handle?.readStop();
}

/** A handle of an inherited descriptor; it neither reads nor accepts anything. */
export function handleAround(fd: number): RawHandle {
  const carrier = new Socket({ fd, readable: false, writable: false }) as unknown as {
    _handle: RawHandle | null;
  };
  const handle = carrier._handle as RawHandle;
  // The carrier must not close the handle when it is destroyed.
  carrier._handle = null;
  return handle;
}

/** The address to which a TCP handle is bound; undefined for another kind. */
export function addressOf(handle: RawHandle): { address: string; port: number } | undefined {
  const found: { address?: string; port?: number } = {};
  (handle as { getsockname?(out: object): number }).getsockname?.(found);
  const { address, port } = found;
  return address === undefined || port === undefined ? undefined : { address, port };
}
