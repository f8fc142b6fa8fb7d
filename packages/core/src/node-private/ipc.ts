import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import type { RawHandle, RawPipe } from './handle.js';

/** One end of the IPC channel between a parent and a child, taken over from Node. */
export interface IpcEnd {
  readonly pipe: RawPipe;
  /** Writes a message as Node does, with a handle if there is one. */
  send(message: unknown, handle?: RawHandle): void;
  /**
   * Begins to read. `onRead` gets the bytes, which it must not keep, and the handle that came with them.
   * `onEnd` is called once, when the other side is gone or the channel was closed here. Returns a function
   * that closes it.
   */
  read(onRead: OnRead, onEnd: () => void): () => void;
}

export type OnRead = (bytes: Buffer, handle: RawHandle | undefined) => void;

/** What Node keeps on the owner of an IPC channel. */
interface IpcOwner {
  _handleQueue: unknown;
  _send(message: unknown, handle: unknown, options: { swallowErrors: boolean }): void;
}

const kChannelHandle = 'kChannelHandle';

/** The old process's end of the channel to a child it spawned with an `'ipc'` stdio entry. */
export function ipcEndOf(child: ChildProcess): IpcEnd {
  const key = Object.getOwnPropertySymbols(child).find((symbol) => symbol.description === kChannelHandle);
  const owner = child as unknown as IpcOwner & Record<symbol, RawPipe>;
  const pipe = owner[key as symbol] as RawPipe;
  return { pipe, send: sender(owner), read: (onRead, onEnd) => readRawPipe(pipe, onRead, onEnd) };
}

/** What the preload took from `process` in a successor; see `handoff/preload.cts`. */
export interface TakenIpc {
  pipe: RawPipe;
  _send: IpcOwner['_send'];
  /** Stands in for `process` as the `this` of Node's writer. */
  owner: Pick<IpcOwner, '_handleQueue'>;
}

/** The successor's end of the channel, made from what the preload took from `process`. */
export function ipcEndFrom({ pipe, _send, owner }: TakenIpc): IpcEnd {
  return {
    pipe,
    send: sender(Object.assign(owner, { _send })),
    read: (onRead, onEnd) => readChannel(pipe, onRead, onEnd),
  };
}

/** An end of a channel that the preload took or opened, on which handles come rarely. */
export function ipcEndOpened({ pipe, _send, owner }: TakenIpc): IpcEnd {
  return {
    pipe,
    send: sender(Object.assign(owner, { _send })),
    read(onRead, onEnd) {
      const close = readRawPipe(pipe, onRead, onEnd);
      // The preload has stopped it.
      pipe.readStart();
      return close;
    },
  };
}

/**
 * Node sends one handle at a time and queues everything else until the other side has acknowledged it. Both
 * ends are endless's and acknowledge by themselves, so no message has to wait: the queue is removed after
 * each write.
 */
function sender(owner: IpcOwner): IpcEnd['send'] {
  return (message, handle) => {
    owner._send(handle ? padded(message as object) : message, handle, { swallowErrors: true });
    owner._handleQueue = null;
  };
}

/**
 * Bytes that a channel reads at once. libuv takes one handle per read. In one turn of the event loop it reads
 * on, up to 32 times, only while each read fills its buffer. With a larger buffer a busy process would take
 * one handle per turn.
 */
const READ_SIZE = 256;
/** Bytes that it reads at once of a long line. */
const LONG_READ_SIZE = 64 * 1024;
/** The length of Node's wrapping around a message that comes with a handle. */
const WRAPPING = '{"cmd":"NODE_HANDLE","type":"net.Native","msg":}\n'.length;

/** Pads a message that comes with a handle, so that it fills whole reads. */
function padded(message: object): object {
  const size = WRAPPING + Buffer.byteLength(JSON.stringify({ ...message, pad: '' }));
  return { ...message, pad: ' '.repeat(READ_SIZE - (size % READ_SIZE)) };
}

/**
 * Reads a channel on which many handles come, each with a line of its own; see {@link IpcEnd.read}.
 * `onStream` gets the stream that writes.
 */
export function readChannel(
  pipe: RawPipe,
  onRead: OnRead,
  onEnd: () => void,
  onStream?: (socket: Socket) => void,
): () => void {
  // Node is reading already; a second start would return EALREADY.
  pipe.readStop();
  const [short, long] = [Buffer.alloc(READ_SIZE), Buffer.alloc(LONG_READ_SIZE)];
  let next = short;
  const callback = (size: number, buffer: Buffer) => {
    const handle = pipe.pendingHandle ?? undefined;
    pipe.pendingHandle = null;
    const bytes = buffer.subarray(0, size);
    next = handle || bytes.includes(0x0a) ? short : long;
    onRead(bytes, handle);
    return true;
  };
  const socket = new Socket({
    handle: pipe,
    readable: true,
    writable: true,
    onread: { buffer: () => next, callback },
  } as ConstructorParameters<typeof Socket>[0]);
  socket.unref();
  let open = true;
  // The end bypasses the stream: docs/decisions/017-no-new-shapes-on-the-request-path.md.
  const close = () => {
    if (!open) return;
    open = false;
    (socket as unknown as { _handle: RawHandle | null })._handle = null;
    pipe.close();
    onEnd();
  };
  // Bytes go to `onread`: only the end is pushed.
  Object.assign(socket, { push: close, read: () => null });
  socket.on('error', close);
  onStream?.(socket);
  return close;
}

/**
 * Reads a channel on which handles are rare, and takes one in each turn of the event loop; see
 * {@link IpcEnd.read}. It uses no stream: docs/decisions/017-no-new-shapes-on-the-request-path.md.
 */
function readRawPipe(pipe: RawPipe, onRead: OnRead, onEnd: () => void): () => void {
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    pipe.close();
    onEnd();
  };
  // Node is reading already; this replaces its handler.
  pipe.onread = (bytes) => {
    const handle = pipe.pendingHandle ?? undefined;
    pipe.pendingHandle = null;
    if (bytes) onRead(Buffer.from(bytes), handle);
    else close();
  };
  pipe.unref();
  return close;
}
