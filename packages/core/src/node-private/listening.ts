import type { Server } from 'node:net';
import type { RawHandle } from './handle.js';

/**
 * The listening handle of a server.
 *
 * `server.listen(handle)` is documented to take it, but no public name gives it. So there is no other way to
 * the file descriptor before Node 26.
 */
export function listeningHandle(server: Server): RawHandle | undefined {
  return (server as unknown as { _handle?: RawHandle | null })._handle ?? undefined;
}

/** Gives a server the handle to listen on: Node uses an existing handle instead of binding a new one. */
export function setListeningHandle(server: Server, handle: RawHandle | null): void {
  (server as unknown as { _handle: RawHandle | null })._handle = handle;
}

/**
 * Replaces a server's listening handle by a copy, and closes the original: the server keeps its address, and
 * accepts nothing until {@link acceptAgain}. A copy finds its server by a callback and a mark that Node sets.
 */
export function standBy(server: Server, copy: RawHandle): void {
  const own = listeningHandle(server) as RawHandle;
  for (const key of Reflect.ownKeys(own))
    if (key === 'onconnection' || (typeof key === 'symbol' && key.description === 'owner_symbol'))
      Reflect.set(copy, key, Reflect.get(own, key));
  setListeningHandle(server, copy);
  own.close();
}

/** Lets a server that stands by accept again; returns the error number, 0 for success. */
export function acceptAgain(server: Server, backlog: number): number {
  const handle = listeningHandle(server) as RawHandle;
  const errno = handle.listen(backlog);
  // A server that was `unref`ed before it listened has this mark.
  if ((server as unknown as { _unref: boolean })._unref) handle.unref();
  return errno;
}

/**
 * Calls `fn` with the backlog whenever a server binds its address, whether it was an option or an argument of
 * `listen`. Node keeps this name for code that wraps it.
 */
export function onBind(server: Server, fn: (backlog: number | undefined) => void): void {
  const { _listen2: bind } = server as unknown as { _listen2(...args: unknown[]): void };
  const value = (...args: unknown[]) => {
    fn(Number(args[3]) || undefined);
    Reflect.apply(bind, server, args);
  };
  Object.defineProperty(server, '_listen2', { value, configurable: true, writable: true });
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
