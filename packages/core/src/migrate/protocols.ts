import type { Socket } from 'node:net';
import type { TrackedServer } from '../drain/tracked-server.js';
import { invalidOption, messageOf, show } from '../errors.js';
import type { Logger } from '../log.js';
import { type RawHandle, welcome } from '../node-private.js';

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
}

/** Says something about a socket that has left to whoever serves it now; throws if it cannot be cloned. */
export type Tell = (word: unknown) => boolean;

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
  /** Serves a socket that has come: from the old process, or back because the new one is gone. */
  restore(socket: Socket, state: State): void;
  /** Hears what was said of a socket where it was before. */
  told?(socket: Socket, word: unknown): void;
  /** Tells the client of a socket that stays that this process ends. */
  end?(socket: Socket, reason: 'restart' | 'shutdown'): void;
  /** Milliseconds over which the calls of `end` are spread. Default 5000. */
  endWithin?: number;
}

/** Where a socket has gone, and its id there. */
export interface Route {
  to: unknown;
  id: number;
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
  readonly #left = new WeakMap<Socket, { tell: Tell; where(): Route | undefined }>();
  readonly #logger: () => Logger;
  readonly #onChanged: () => void;

  constructor(logger: () => Logger, onChanged: () => void) {
    this.#logger = logger;
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
    const socket = welcome(tracked.server, handle);
    if (!socket) return undefined;
    tracked.adopt(socket);
    this.#add(socket, protocol);
    if (unread && unread.length > 0) socket.unshift(unread);
    try {
      protocol.restore(socket, state);
    } catch (error) {
      this.#logger().error(`Restoring a socket of ${protocol.name} failed: ${messageOf(error)}`);
      socket.destroy();
    }
    return socket;
  }

  /** From now on, what is said of this socket goes where it is. */
  left(socket: Socket, tell: Tell, where: () => Route | undefined): void {
    this.#left.set(socket, { tell, where });
  }

  /** Where a socket has gone that was here; undefined while that is open. */
  routeOf(socket: Socket): Route | undefined {
    return this.#left.get(socket)?.where();
  }

  /** Passes a word on to whoever serves the socket now: its protocol here, or another process. */
  tell(socket: Socket, protocol: NamedProtocol, word: unknown): boolean {
    const left = this.#left.get(socket);
    if (left) return left.tell(word);
    if (socket.destroyed) return false;
    protocol.told?.(socket, word);
    return true;
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
  const { endWithin } = protocol;
  if (endWithin !== undefined && !(Number.isFinite(endWithin) && endWithin >= 0))
    throw invalidOption('endWithin', show(endWithin), 'a number of milliseconds, 0 or more');
}
