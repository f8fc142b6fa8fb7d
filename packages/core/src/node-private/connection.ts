import { type Server, Socket } from 'node:net';
import type { RawHandle } from './handle.js';
import { listeningHandle } from './listening.js';

/**
 * Takes the raw handle off a connection whose reading has been stopped. The socket that remains is destroyed,
 * so that its server, its parser and its listeners see it end.
 */
export function detachHandle(socket: Socket): RawHandle {
  const internals = socket as unknown as { _handle: RawHandle | null };
  const handle = internals._handle as RawHandle;
  internals._handle = null;
  // Node marks a handle that is read. If it comes back, a new socket on it would never read with these marks.
  Object.assign(handle, { reading: false, _consumed: false });
  socket.destroy();
  return handle;
}

/** Stops reading: bytes that arrive stay in the kernel for the next reader. Returns whether it succeeded. */
export function stopReading(socket: Socket): boolean {
  const handle = (socket as unknown as { _handle: (RawHandle & { writeQueueSize?: number }) | null })._handle;
  if (!handle || handle.writeQueueSize) return false;
  return handle.readStop() === 0;
}

/** Undoes {@link stopReading}: a stream that is not paused goes on where it was. */
export function startReading(socket: Socket): void {
  const handle = (socket as unknown as { _handle: (RawHandle & { reading?: boolean }) | null })._handle;
  if (handle?.reading) handle.readStart();
}

/**
 * Gives a server a connection as if the server had just accepted it, with the server's socket options and
 * count. Returns the socket, unless the server rejects the connection.
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
    // A server that no longer listens still serves a connection that it is given.
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
    // A listener of the application threw. Throw it later, uncaught as in Node: other connections wait here.
    process.nextTick(() => {
      throw error;
    });
  }
  server.off('connection', onConnection);
  return delivered;
}

/**
 * Makes the socket of a connection as {@link acceptConnection} does, counted by its server. The server emits
 * no `'connection'`, since the socket's protocol is known already. Undefined if the server has dropped it.
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
