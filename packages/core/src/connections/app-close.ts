import { Server } from 'node:net';
import type { RawHandle } from '../node-private/handle.js';
import { listeningHandle, setListeningHandle } from '../node-private/listening.js';

/**
 * The application's own `server.close()`, while endless decides when the listening socket closes.
 *
 * A close during a restart waits until the successor serves or the restart has failed. Node.js does not know
 * that endless itself has closed a server: the callback gets no error, and comes when no connection is left.
 */
export class AppClose {
  readonly #server: Server;
  readonly #mustWait: () => boolean;
  readonly #undo: (() => void)[] = [];
  /** The arguments of the calls that wait. */
  readonly #waiting: unknown[][] = [];
  #close: (...args: unknown[]) => unknown;
  #asked = false;
  #released = false;
  #closed = false;

  /** The properties are set from the start: docs/decisions/017-no-new-shapes-on-the-request-path.md. */
  constructor(server: Server, mustWait: () => boolean) {
    this.#server = server;
    this.#mustWait = mustWait;
    this.#close = server.close as (...args: unknown[]) => unknown;
    const value = (...args: unknown[]) => this.#onClose(args);
    this.#define('close', { value, writable: true }, () => server.close === value);
    this.#define('listening', { get: () => this.#waiting.length === 0 && Boolean(listeningHandle(server)) });
  }

  /** Stops the server from accepting; its connections, and the application's view of it, stay as they are. */
  stopAccepting(): void {
    const handle = listeningHandle(this.#server);
    if (handle && !(handle instanceof Stopped)) {
      const address = this.#server.address();
      setListeningHandle(this.#server, typeof address === 'string' ? new Stopped() : new StoppedTcp(address));
      handle.close();
    }
    this.resume();
  }

  /** Lets the calls that have waited close the server. */
  resume(): void {
    for (const args of this.#waiting.splice(0)) this.#close.apply(this.#server, args);
  }

  /** Completes {@link stopAccepting}: `'close'` is emitted once no connection is left. */
  release(): void {
    if (!(listeningHandle(this.#server) instanceof Stopped)) return;
    this.#released = true;
    this.#server.once('close', () => {
      this.#closed = true;
    });
    Server.prototype.close.call(this.#server);
  }

  /** Removes the properties again. */
  forget(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #onClose(args: unknown[]): unknown {
    const server = this.#server;
    const handle = listeningHandle(server);
    const isFirst = !this.#asked;
    this.#asked = true;
    if (handle && !(handle instanceof Stopped) && this.#mustWait()) {
      this.#waiting.push(args);
      return server;
    }
    if (handle || !this.#released || !isFirst) return this.#close.apply(server, args);
    const [callback] = args;
    if (typeof callback === 'function') {
      if (this.#closed) process.nextTick(() => callback());
      else server.once('close', () => callback());
    }
    return server;
  }

  #define(name: string, property: PropertyDescriptor, isOurs = () => true): void {
    const server = this.#server;
    const own = Object.getOwnPropertyDescriptor(server, name);
    Object.defineProperty(server, name, { ...property, configurable: true });
    this.#undo.push(() => {
      if (!isOurs()) return;
      if (own) Object.defineProperty(server, name, own);
      else Reflect.deleteProperty(server, name);
    });
  }
}

/** Replaces the listening handle of a server that no longer accepts. */
class Stopped implements RawHandle {
  readonly fd = -1;
  listen(): number {
    return 0;
  }
  close(): void {}
  ref(): void {}
  unref(): void {}
  readStart(): number {
    return 0;
  }
  readStop(): number {
    return 0;
  }
}

/** A {@link Stopped} that still returns the address. */
class StoppedTcp extends Stopped {
  readonly #address: object | null;

  constructor(address: object | null) {
    super();
    this.#address = address;
  }

  getsockname(out: object): number {
    Object.assign(out, this.#address);
    return 0;
  }
}
