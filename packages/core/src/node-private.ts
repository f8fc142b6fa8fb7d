/**
 * Every private name of Node that endless relies on, each with its reason. `node-private.test.ts` pins each of them on
 * every Node version that is supported; nothing outside this file reads a name that Node does not document.
 */
import type { ChildProcess } from 'node:child_process';
import type { Server as HttpServer, ServerResponse } from 'node:http';
import type { Http2Session } from 'node:http2';
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
  /** Called with each read of a pipe without a stream on top of it, and with nothing at its end. */
  onread: (bytes?: ArrayBuffer) => void;
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

/**
 * Puts a copy of its listening handle in the place of a server's own one, which is closed: the server keeps its address,
 * and accepts nothing until {@link acceptAgain}. A copy finds its server by a callback and a mark that Node sets.
 */
export function standBy(server: Server, copy: RawHandle): void {
  const own = listeningHandle(server) as RawHandle;
  for (const key of Reflect.ownKeys(own))
    if (key === 'onconnection' || (typeof key === 'symbol' && key.description === 'owner_symbol'))
      Reflect.set(copy, key, Reflect.get(own, key));
  setListeningHandle(server, copy);
  own.close();
}

/** Lets a server that stands by accept again; returns the error number, 0 if there is none. */
export function acceptAgain(server: Server, backlog: number): number {
  const handle = listeningHandle(server) as RawHandle;
  const errno = handle.listen(backlog);
  // A server that was `unref`ed before it listened bears this mark.
  if ((server as unknown as { _unref: boolean })._unref) handle.unref();
  return errno;
}

/** Calls `fn` with the handle that Node makes for a server, between `bind` and `listen`. */
export function onListeningHandle(server: Server, fn: (handle: RawHandle) => void): void {
  Object.defineProperty(server, '_handle', {
    configurable: true,
    enumerable: true,
    get: () => null,
    set(value: RawHandle | null) {
      Object.defineProperty(server, '_handle', {
        value,
        writable: true,
        configurable: true,
        enumerable: true,
      });
      if (value) fn(value);
    },
  });
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

/**
 * The connections of which Node's list says that no request is on its way on them, which is what `closeIdleConnections`
 * destroys. A server that has never listened has no list.
 *
 * (To give each socket a `destroy` of its own for the length of that call needs no private name, but throws away what V8 has
 * compiled for sockets, in a process under load.)
 */
export function betweenRequests(server: Server): Socket[] {
  kConnections ??= Object.getOwnPropertySymbols(server).find(
    ({ description }) => description === 'http.server.connections',
  );
  const list =
    kConnections && (server as unknown as Record<symbol, ConnectionsList | undefined>)[kConnections];
  return list ? list.idle().map(({ socket }) => socket) : [];
}

/** The C++ side of an HTTP server's list of connections; what it lists are their parsers. */
interface ConnectionsList {
  idle(): { socket: Socket }[];
}

let kConnections: symbol | undefined;

/**
 * The socket below an HTTP/2 session.
 *
 * What Node shows as `session.socket` lets nobody write; but it passes a listener's methods on to the socket itself, and
 * they return it.
 */
export function transportOf(session: Http2Session): Socket {
  return session.socket.off('close', () => {}) as Socket;
}

/** Limits the request head of a server that exists already: Node documents the limit as an option of its making only. */
export function limitHead(server: HttpServer, bytes: number): void {
  (server as unknown as { maxHeaderSize: number }).maxHeaderSize = bytes;
}

/** How often a server that does not listen yet will look for late requests; likewise an option of its making. */
export function checkTimeoutsEvery(server: HttpServer, ms: number): void {
  (server as unknown as { connectionsCheckingInterval: number }).connectionsCheckingInterval = ms;
}

/** One end of a parent's and child's IPC channel, taken out of Node's hands. */
export interface IpcEnd {
  readonly pipe: RawPipe;
  /** Node's own way of writing a message, with a handle if there is one. */
  send(message: unknown, handle?: RawHandle): void;
  /**
   * Begins to read: `onRead` gets the bytes, which it must not keep, and the handle that came with them; `onEnd` is called
   * once, when the other side is gone or the channel was closed here. Returns how to close it.
   */
  read(onRead: OnRead, onEnd: () => void): () => void;
}

export type OnRead = (bytes: Buffer, handle: RawHandle | undefined) => void;

/** What Node keeps on whatever owns an IPC channel. */
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

/**
 * Node sends one handle at a time and queues everything else until the other side has acknowledged it. Both ends are ours
 * and acknowledge by themselves, so nothing has to wait: the queue is taken away after each write.
 */
function sender(owner: IpcOwner): IpcEnd['send'] {
  return (message, handle) => {
    owner._send(handle ? padded(message as object) : message, handle, { swallowErrors: true });
    owner._handleQueue = null;
  };
}

/**
 * What a channel reads at once. libuv takes one handle a read, and in one turn of the event loop it reads on, up to 32
 * times, only while each read fills its buffer: with a larger one a busy process would take one handle a turn.
 */
const READ_SIZE = 256;
/** What it reads at once of a long line. */
const LONG_READ_SIZE = 64 * 1024;
/** What goes around a message that comes with a handle. */
const WRAPPING = '{"cmd":"NODE_HANDLE","type":"net.Native","msg":}\n'.length;

/** A message that comes with a handle, so long that it fills whole reads. */
function padded(message: object): object {
  const size = WRAPPING + Buffer.byteLength(JSON.stringify({ ...message, pad: '' }));
  return { ...message, pad: ' '.repeat(READ_SIZE - (size % READ_SIZE)) };
}

/** Reads a channel on which many handles come, each with a line of its own; see {@link IpcEnd.read}. `onStream` gets what writes. */
export function readChannel(
  pipe: RawPipe,
  onRead: OnRead,
  onEnd: () => void,
  onStream?: (socket: Socket) => void,
): () => void {
  // Node is reading already; a second start would answer EALREADY.
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
  // A stream that ends and is destroyed is, to V8, a new case in what it has compiled for the sockets of requests: a
  // process that has just taken over would be slow for 0.2 s as the old one leaves. So the end goes past the stream.
  const close = () => {
    if (!open) return;
    open = false;
    (socket as unknown as { _handle: RawHandle | null })._handle = null;
    pipe.close();
    onEnd();
  };
  // Bytes go to `onread`: what is pushed is the end.
  Object.assign(socket, { push: close, read: () => null });
  socket.on('error', close);
  onStream?.(socket);
  return close;
}

/**
 * Reads a channel on which handles are seldom, and takes one in each turn of the event loop; see {@link IpcEnd.read}.
 *
 * Without a stream: one that is not like the sockets of requests would make V8 throw away what it has compiled for them,
 * in a process under load.
 */
function readRawPipe(pipe: RawPipe, onRead: OnRead, onEnd: () => void): () => void {
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    pipe.close();
    onEnd();
  };
  // Node is reading already; what it would do with what comes is replaced.
  pipe.onread = (bytes) => {
    const handle = pipe.pendingHandle ?? undefined;
    pipe.pendingHandle = null;
    if (bytes) onRead(Buffer.from(bytes), handle);
    else close();
  };
  pipe.unref();
  return close;
}

/**
 * Takes the raw handle off a connection whose reading has been stopped; the socket that remains is destroyed, so that its
 * server, its parser and its listeners see it end.
 */
export function detachHandle(socket: Socket): RawHandle {
  const internals = socket as unknown as { _handle: RawHandle | null };
  const handle = internals._handle as RawHandle;
  internals._handle = null;
  // Node's marks of who reads it: with them a socket made of it again, should it come back, would never read.
  Object.assign(handle, { reading: false, _consumed: false });
  socket.destroy();
  return handle;
}

/** Stops reading: what arrives from now on stays in the kernel, for whoever reads next. Returns whether it was possible. */
export function stopReading(socket: Socket): boolean {
  const handle = (socket as unknown as { _handle: (RawHandle & { writeQueueSize?: number }) | null })._handle;
  if (!handle || handle.writeQueueSize) return false;
  return handle.readStop() === 0;
}

/** Takes {@link stopReading} back: a stream that is not paused goes on where it was. */
export function startReading(socket: Socket): void {
  const handle = (socket as unknown as { _handle: (RawHandle & { reading?: boolean }) | null })._handle;
  if (handle?.reading) handle.readStart();
}

/**
 * Gives a server a connection as if it had accepted it just now, with its own socket options and its own count. Returns
 * the socket, unless the server turns it away.
 */
export function acceptConnection(server: Server, connection: RawHandle): Socket | undefined {
  let delivered: Socket | undefined;
  const onConnection = (socket: Socket) => {
    delivered = socket;
  };
  server.prependListener('connection', onConnection);
  const handle = listeningHandle(server) as (RawHandle & { onconnection?: AcceptCallback }) | undefined;
  try {
    if (handle?.onconnection) handle.onconnection(0, connection);
    // A server that does not listen any more still serves what it is given.
    else
      server.emit(
        'connection',
        new Socket({
          handle: connection,
          allowHalfOpen: true,
          readable: true,
          writable: true,
        } as ConstructorParameters<typeof Socket>[0]),
      );
  } catch (error) {
    // A listener of the application threw. Nobody catches that where Node accepts; here others wait behind this one.
    process.nextTick(() => {
      throw error;
    });
  }
  server.off('connection', onConnection);
  return delivered;
}

/**
 * Makes the socket of a connection as {@link acceptConnection} does, counted by its server, without telling the server's listeners:
 * what is spoken on it is known already. Undefined if the server has dropped it.
 */
export function adoptSocket(server: Server, connection: RawHandle): Socket | undefined {
  const own = Object.getOwnPropertyDescriptor(server, 'emit');
  const emit = server.emit as (...given: unknown[]) => boolean;
  let made: Socket | undefined;
  server.emit = (...given: unknown[]) => {
    if (given[0] !== 'connection') return emit.apply(server, given);
    made = given[1] as Socket;
    return true;
  };
  try {
    acceptConnection(server, connection);
  } finally {
    if (own) Object.defineProperty(server, 'emit', own);
    else Reflect.deleteProperty(server, 'emit');
  }
  return made;
}

type AcceptCallback = (this: RawHandle, errno: number, connection: RawHandle) => void;

/**
 * Brings a connection on which nothing has been read to where it is between two requests, and calls `onNext` when the
 * head of the next one is complete.
 *
 * Until its first request Node takes a connection for one that is slow to send it, and after `headersTimeout` answers it
 * with a 408 that nobody has asked for. So its parser reads a request that goes nowhere.
 */
export function restBetweenRequests(socket: Socket, onNext: () => unknown): void {
  const { parser } = socket as unknown as { parser: HttpParser };
  const { onIncoming } = parser;
  parser.onIncoming = () => 0;
  parser.execute(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  parser.incoming = null;
  parser.onIncoming = (...message) => {
    parser.onIncoming = onIncoming;
    onNext();
    return onIncoming(...message);
  };
}

interface HttpParser {
  /** The request that is being read. */
  incoming: unknown;
  /** What is done with each request whose head has been read. */
  onIncoming(...message: unknown[]): unknown;
  execute(bytes: Buffer): unknown;
}
