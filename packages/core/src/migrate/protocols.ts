import type { Socket } from 'node:net';
import { attempt } from '../attempt.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import { invalidOption, messageOf, show } from '../errors.js';
import type { Log } from '../log.js';
import { adoptSocket } from '../node-private/connection.js';
import type { RawHandle } from '../node-private/handle.js';
import type { Afterwards, Done, Route } from './afterwards.js';

/** What a socket takes along. */
export interface Leaving<State = unknown> {
  /** What the new process has to know: anything that can be cloned (`structuredClone`). */
  state: State;
  /** Bytes that were read from the socket and not used yet; the new process reads them first. */
  unread?: Uint8Array;
  /**
   * Called when the socket is no longer this process's. What is said with `tell` reaches the `told` of the process that
   * serves the socket, in order; it returns false when nobody is there to hear it.
   */
  left?(tell: Tell): void;
  /** Called when the connection has ended where it is now, or cannot be reached there any more. */
  ended?(): void;
}

/**
 * Says something about a socket that has left to the process that serves it now; throws if it cannot be cloned. `done` is
 * called when `told` has returned there, or the promise that it returned has resolved; with an error if it never will.
 */
export type Tell = (word: unknown, done?: Done) => boolean;

/**
 * A protocol on sockets that do not speak HTTP: upgraded ones, or those of a plain `net.Server`. It says when such a socket
 * may go to the new process, and serves it there.
 */
export interface SocketProtocol<State = unknown> {
  /**
   * Asked when the reading of a socket has been stopped and nothing waits to be written. `'later'`: it is asked again soon.
   * `'never'`: it stays. Anything else, and the socket leaves; a throw is a `'never'`.
   */
  save(socket: Socket): Leaving<State> | 'later' | 'never';
  /**
   * Serves a socket that has come: from the old process, or back because the new one is gone. A throw closes that socket; so it
   * is with `told` and `end`, and with a promise that rejects.
   */
  restore(socket: Socket, state: State): unknown;
  /** Gets what was said of a socket where it was before. With a promise, the sender's `done` waits for it. */
  told?(socket: Socket, word: unknown): unknown;
  /** Tells the client of a socket that stays that this process ends. */
  end?(socket: Socket, reason: 'restart' | 'shutdown'): unknown;
  /** Why no socket of this protocol moves, for the log; absent where they do. */
  stays?: string;
  /** Milliseconds over which the calls of `end` are spread. Default 5000. */
  endWithin?: number;
}

/** The sockets of one protocol. */
export interface ProtocolSockets {
  /** Looks after a socket from now on, until it closes. */
  add(socket: Socket): void;
  /** Forgets the protocol and its sockets. */
  close(): void;
}

/** A protocol under the name by which both processes know it. */
export interface NamedProtocol extends SocketProtocol {
  readonly name: string;
}

/** The protocols of this process, and the sockets that speak them. */
export class Protocols {
  readonly #byName = new Map<string, NamedProtocol>();
  readonly #sockets = new Map<Socket, NamedProtocol>();
  /** For sockets that have left, how to reach them. */
  readonly #left = new WeakMap<Socket, Afterwards>();
  readonly #log: Log;
  readonly #onChanged: () => void;

  constructor(log: Log, onChanged: () => void) {
    this.#log = log;
    this.#onChanged = onChanged;
  }

  /** The names that this process understands. */
  get names(): string[] {
    return [...this.#byName.keys()];
  }

  /** The sockets that are here, each with its protocol. */
  get sockets(): ReadonlyMap<Socket, NamedProtocol> {
    return this.#sockets;
  }

  get(name: string): NamedProtocol | undefined {
    return this.#byName.get(name);
  }

  /** Makes a protocol known; throws `ERR_ENDLESS_INVALID_OPTION` if it is none, or if there is one of that name. */
  define(name: string, given: SocketProtocol): ProtocolSockets {
    check(name, given);
    if (this.#byName.has(name))
      throw invalidOption('name', name, 'a name that no other protocol of this process has');
    const protocol: NamedProtocol = Object.assign(Object.create(given), { name });
    this.#byName.set(name, protocol);
    this.#onChanged();
    return {
      add: (socket) => this.#add(socket, protocol),
      close: () => {
        this.#byName.delete(name);
        for (const [socket, its] of this.#sockets) if (its === protocol) this.#sockets.delete(socket);
        this.#onChanged();
      },
    };
  }

  /** Serves a socket that has come; returns undefined if its server has no room for it. */
  serve(
    tracked: TrackedServer,
    protocol: NamedProtocol,
    handle: RawHandle,
    { state, unread }: Pick<Leaving, 'state' | 'unread'>,
  ): Socket | undefined {
    const socket = adoptSocket(tracked.server, handle);
    if (!socket) return undefined;
    tracked.adopt(socket);
    this.#add(socket, protocol);
    if (unread && unread.length > 0) socket.unshift(unread);
    this.#attempt(
      socket,
      () => protocol.restore(socket, state),
      (why) => this.#log.error(`Restoring a socket of ${protocol.name} failed: ${why}`),
    );
    return socket;
  }

  /** From now on, what is said of this socket goes where it is. */
  left(socket: Socket, afterwards: Afterwards): void {
    this.#left.set(socket, afterwards);
  }

  /** Where a socket has gone that was here; undefined while that is open. */
  routeOf(socket: Socket): Route | undefined {
    return this.#left.get(socket)?.where?.();
  }

  /** Passes a word on to the protocol of the socket here, or to the process that serves it now; false if neither is there. */
  tell(socket: Socket, protocol: NamedProtocol, word: unknown, done?: Done): boolean {
    const left = this.#left.get(socket);
    if (left) return left.tell(word, done);
    if (socket.destroyed) return false;
    this.#attempt(
      socket,
      () => protocol.told?.(socket, word),
      (why) =>
        this.#log.error(
          `A message for a socket of ${protocol.name} failed, and the socket is closed: ${why}`,
        ),
      done,
    );
    return true;
  }

  /** Tells the client of a socket that stays that this process ends. */
  end(socket: Socket, protocol: NamedProtocol, reason: 'restart' | 'shutdown'): void {
    this.#attempt(
      socket,
      () => protocol.end?.(socket, reason),
      (why) =>
        this.#log.error(`Ending a socket of ${protocol.name} failed, and the socket is closed: ${why}`),
    );
  }

  /** Calls `fn` when the connection of this socket has ended: here, or wherever it has moved. */
  onEnd(socket: Socket, fn: () => void): void {
    const closed = () => {
      const left = this.#left.get(socket);
      if (left) left.onEnd(fn);
      else fn();
    };
    if (socket.closed) closed();
    else socket.once('close', closed);
  }

  /** One callback that fails costs one socket, and not the process. */
  #attempt(socket: Socket, fn: () => unknown, log: (why: string) => void, done?: Done): void {
    const report = (error: unknown) => {
      log(messageOf(error));
      socket.destroy();
    };
    attempt(fn, report, done);
  }

  #add(socket: Socket, protocol: NamedProtocol): void {
    if (socket.destroyed) return;
    if (!this.#sockets.has(socket)) socket.once('close', () => this.#sockets.delete(socket));
    this.#sockets.set(socket, protocol);
  }
}

function check(name: string, protocol: SocketProtocol): void {
  if (typeof name !== 'string' || name === '')
    throw invalidOption('name', name, 'a string that is not empty');
  if (typeof protocol !== 'object' || protocol === null)
    throw invalidOption('protocol', protocol, 'an object with `save` and `restore`');
  for (const member of ['save', 'restore', 'told', 'end'] as const) {
    const value = protocol[member];
    if (typeof value === 'function' || (value === undefined && (member === 'told' || member === 'end')))
      continue;
    throw invalidOption(member, value, 'a function');
  }
  const { endWithin, stays } = protocol;
  if (stays !== undefined && (typeof stays !== 'string' || stays === ''))
    throw invalidOption('stays', stays, 'a string that is not empty');
  if (endWithin !== undefined && !(Number.isFinite(endWithin) && endWithin >= 0))
    throw invalidOption('endWithin', show(endWithin), 'a number of milliseconds, 0 or more');
}
