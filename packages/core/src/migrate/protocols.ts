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
  /** What the new process has to know: any value that can be cloned (`structuredClone`). */
  state: State;
  /** Bytes that were read from the socket and not used yet; the new process reads them first. */
  unread?: Uint8Array;
  /**
   * Called when this process no longer owns the socket. Messages sent with `tell` reach the `told` of the
   * process that serves the socket, in order. `tell` returns false when no process serves it any more.
   */
  left?(tell: Tell): void;
  /** Called when the connection has ended in the process that serves it, or cannot be reached any more. */
  ended?(): void;
}

/**
 * Sends a message about a socket that has left to the process that serves it now; throws if it cannot be
 * cloned. `done` is called when `told` has returned there, or when the promise that it returned has resolved.
 * It gets an error if that never happens.
 */
export type Tell = (word: unknown, done?: Done) => boolean;

/**
 * A protocol on sockets that do not speak HTTP: upgraded ones, or those of a plain `net.Server`. It decides
 * when such a socket may move to the new process, and serves it there.
 */
export interface SocketProtocol<State = unknown> {
  /**
   * Called when the reading of a socket has stopped and nothing waits to be written. `'later'`: it is called
   * again soon. `'never'`, or a throw: the socket stays. Any other result: the socket leaves.
   */
  save(socket: Socket): Leaving<State> | 'later' | 'never';
  /**
   * Serves a socket that arrives from the old process, or that comes back because the new one did not take
   * it. A throw or a rejected promise closes that socket; the same applies to `told` and `end`.
   */
  restore(socket: Socket, state: State): unknown;
  /** Gets a message from the process that had the socket before; its `done` waits for a returned promise. */
  told?(socket: Socket, word: unknown): unknown;
  /** Sends the client of a socket that stays a close notice. */
  end?(socket: Socket, reason: 'restart' | 'shutdown'): unknown;
  /** Why no socket of this protocol moves, for the log; absent if they move. */
  stays?: string;
  /** Milliseconds over which the calls of `end` are spread. Default 5000. */
  endWithin?: number;
}

/** The sockets of one protocol. */
export interface ProtocolSockets {
  /** Looks after a socket until it closes. */
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
  /** How to reach the sockets that have left. */
  readonly #left = new WeakMap<Socket, Afterwards>();
  readonly #log: Log;
  readonly #onChanged: () => void;

  constructor(log: Log, onChanged: () => void) {
    this.#log = log;
    this.#onChanged = onChanged;
  }

  /** The names of the protocols that this process understands. */
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

  /** Adds a protocol; throws `ERR_ENDLESS_INVALID_OPTION` if it is invalid, or if its name is in use. */
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

  /** Serves a socket that has arrived; returns undefined if its server has no room for it. */
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

  /** From now on, messages about this socket go to its owner. */
  left(socket: Socket, afterwards: Afterwards): void {
    this.#left.set(socket, afterwards);
  }

  /** Where a socket that has left is now; undefined while that is not decided. */
  routeOf(socket: Socket): Route | undefined {
    return this.#left.get(socket)?.where?.();
  }

  /** Passes a message to the protocol of the socket, here or in its new process; false if it has ended. */
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

  /** Sends the client of a socket that stays a close notice. */
  end(socket: Socket, protocol: NamedProtocol, reason: 'restart' | 'shutdown'): void {
    this.#attempt(
      socket,
      () => protocol.end?.(socket, reason),
      (why) =>
        this.#log.error(`Ending a socket of ${protocol.name} failed, and the socket is closed: ${why}`),
    );
  }

  /** Calls `fn` when the connection of this socket has ended: here, or in the process to which it moved. */
  onEnd(socket: Socket, fn: () => void): void {
    const closed = () => {
      const left = this.#left.get(socket);
      if (left) left.onEnd(fn);
      else fn();
    };
    if (socket.closed) closed();
    else socket.once('close', closed);
  }

  /** A callback that fails closes its socket, and does not end the process. */
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
