/**
 * This folder holds every private name of Node that endless relies on, each with its reason.
 * `node-private.test.ts` pins them on every supported Node version; no file outside the folder reads an
 * undocumented name.
 */
import { Socket } from 'node:net';

/** The C++ side of a socket (`TCP` or `Pipe`). */
export interface RawHandle {
  readonly fd: number;
  listen(backlog: number): number;
  close(callback?: () => void): void;
  ref(): void;
  unref(): void;
  readStart(): number;
  readStop(): number;
  /** Sets the access to a pipe: 1 readable, 2 writable by all. */
  fchmod?(mode: number): number;
  /** Fills in the local address of a TCP handle; a pipe does not have this function. */
  getsockname?(out: { address?: string; family?: string; port?: number }): number;
}

/** The C++ side of an IPC channel; a handle that came with the bytes just read waits in `pendingHandle`. */
export interface RawPipe extends RawHandle {
  pendingHandle: RawHandle | null;
  /** Called with each read of a pipe without a stream on top of it, and without an argument at its end. */
  onread: (bytes?: ArrayBuffer) => void;
}

/** Makes the raw handle of an inherited descriptor; that neither reads nor accepts anything. */
export function rawHandle(fd: number): RawHandle {
  const carrier = new Socket({ fd, readable: false, writable: false }) as unknown as {
    _handle: RawHandle | null;
  };
  const handle = carrier._handle as RawHandle;
  // The carrier must not close the handle when it is destroyed.
  carrier._handle = null;
  return handle;
}
