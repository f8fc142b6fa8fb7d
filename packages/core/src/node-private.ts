/**
 * Every private name of Node that endless relies on, each with its reason. `node-private.test.ts` pins each of them on
 * every Node version that is supported; nothing outside this file reads a name that Node does not document.
 */
import type { ChildProcess } from 'node:child_process';
import type { ServerResponse } from 'node:http';
import { type Server, Socket } from 'node:net';

/** The C++ side of a socket (`TCP` or `Pipe`). */
export interface RawHandle {
  readonly fd: number;
  listen(backlog: number): number;
  close(callback?: () => void): void;
  ref(): void;
  unref(): void;
  readStart(): number;
  readStop(): number;
  /** Sets who may connect to a pipe: 1 readable, 2 writable by all. */
  fchmod?(mode: number): number;
  /** Fills in the local address of a TCP handle; a pipe has none. */
  getsockname?(out: { address?: string; family?: string; port?: number }): number;
}

/** The C++ side of an IPC channel; a handle that came with the bytes just read waits in `pendingHandle`. */
export interface RawPipe extends RawHandle {
  pendingHandle: RawHandle | null;
}

/**
 * The listening handle of a server.
 *
 * `server.listen(handle)` is documented to take it and no public name gives it, so there is no other way to the file
 * descriptor before Node 26.
 */
export function listeningHandle(server: Server): RawHandle | undefined {
  return (server as unknown as { _handle?: RawHandle | null })._handle ?? undefined;
}

/** Gives a server the handle to listen on: one that is there already is used instead of binding a new one. */
export function setListeningHandle(server: Server, handle: RawHandle | null): void {
  (server as unknown as { _handle: RawHandle | null })._handle = handle;
}

/** The raw handle of an inherited descriptor; making it neither reads nor accepts anything. */
export function rawHandle(fd: number): RawHandle {
  const carrier = new Socket({ fd, readable: false, writable: false }) as unknown as {
    _handle: RawHandle | null;
  };
  const handle = carrier._handle as RawHandle;
  // The carrier must not close what it carried when it is destroyed.
  carrier._handle = null;
  return handle;
}

/** The response that this connection is writing now, or undefined when none is in flight. */
export function currentResponse(socket: Socket): ServerResponse | undefined {
  const message = (socket as unknown as { _httpMessage?: ServerResponse | null })._httpMessage;
  return message && !message.writableFinished ? message : undefined;
}

/** Whether this is the response that its connection writes now; if not, it waits behind another one. */
export function isCurrent(socket: Socket, response: ServerResponse): boolean {
  return (socket as unknown as { _httpMessage?: ServerResponse | null })._httpMessage === response;
}

/** Whether Node's HTTP/1 parser reads this connection; it lets go of one that was upgraded. */
export function speaksHttp(socket: Socket): boolean {
  return Boolean((socket as unknown as { parser?: unknown }).parser);
}

/** One end of a parent's and child's IPC channel, taken out of Node's hands. */
export interface IpcEnd {
  pipe: RawPipe;
  /** Node's own way of writing a message, with a handle if there is one. */
  send(message: unknown, handle?: unknown, callback?: (error: Error | null) => void): void;
  /** Tells Node's writer that the other side has taken the handle that was under way. */
  acknowledged(): void;
}

const kChannelHandle = 'kChannelHandle';

/** The old process's end of the channel to a child it spawned with an `'ipc'` stdio entry. */
export function ipcEndOf(child: ChildProcess): IpcEnd {
  const key = Object.getOwnPropertySymbols(child).find((symbol) => symbol.description === kChannelHandle);
  const internals = child as unknown as Record<symbol, RawPipe> & {
    _send(message: unknown, handle: unknown, options: object, callback?: (error: Error | null) => void): void;
  };
  return {
    pipe: internals[key as symbol] as RawPipe,
    send: (message, handle, callback) => internals._send(message, handle, { swallowErrors: true }, callback),
    acknowledged: () => void child.emit('internalMessage', { cmd: 'NODE_HANDLE_ACK' }),
  };
}

/** What the preload took from `process` in a successor; see `handoff/preload.cts`. */
export interface TakenIpc {
  pipe: RawPipe;
  _send(message: unknown, handle: unknown, options: object, callback?: (error: Error | null) => void): void;
  /** Stands in for `process` as the `this` of Node's writer. */
  owner: { connected: boolean; channel: object; _handleQueue: QueuedSend[] | null };
}

interface QueuedSend {
  message: unknown;
  handle: unknown;
  options: object;
  callback?: (error: Error | null) => void;
}

/** The successor's end of the channel, made from what the preload took from `process`. */
export function ipcEndFrom(taken: TakenIpc): IpcEnd {
  const send: IpcEnd['send'] = (message, handle, callback) =>
    Reflect.apply(taken._send, taken.owner, [message, handle, { swallowErrors: true }, callback]);
  return {
    pipe: taken.pipe,
    send,
    acknowledged() {
      const queue = taken.owner._handleQueue ?? [];
      taken.owner._handleQueue = null;
      for (const { message, handle, callback } of queue) send(message, handle, callback);
    },
  };
}

/** A stream that reads the raw bytes of a channel; whoever listens to its `'data'` must look at `pipe.pendingHandle` at once. */
export function channelStream(pipe: RawPipe): Socket {
  // Node is reading already; a second start would answer EALREADY.
  pipe.readStop();
  pipe.ref();
  return new Socket({ handle: pipe, readable: true, writable: true } as ConstructorParameters<
    typeof Socket
  >[0]);
}
