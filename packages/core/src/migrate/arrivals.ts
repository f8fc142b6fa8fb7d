import type { Socket } from 'node:net';
import type { TrackedServer } from '../connections/tracked-server.js';
import { messageOf } from '../errors.js';
import type { OlderProcess, ToPredecessor, ToSuccessor } from '../handoff/protocol.js';
import { label } from '../listen/address.js';
import type { Log } from '../log.js';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { Unpacking, unpack } from './payload.js';
import type { NamedProtocol, Protocols } from './protocols.js';
import { isFull } from './receiver.js';

/** The messages of the old process about a socket that moves. */
export type SocketMessage = Extract<
  ToSuccessor,
  { type: 'payload' | 'offer' | 'transfer' | 'socket-message' }
>;

interface Offered {
  tracked: TrackedServer;
  protocol: NamedProtocol;
  handle: RawHandle;
  state: unknown;
  unread: Uint8Array | undefined;
}

/** What the arrival of sockets needs from the process that receives them. */
export interface ArrivalsContext {
  world: World;
  protocols: Protocols;
  servers(): readonly TrackedServer[];
  answer(message: Extract<ToPredecessor, { type: 'answer' | 'told' }>): void;
  log: Log;
  /** A socket has arrived. */
  onMoved(address: string): void;
}

/** The successor's side of an offer: answers in one message a turn, and serves the sockets that it gets. */
export class Arrivals {
  readonly #context: ArrivalsContext;
  readonly #payloads = new Unpacking();
  readonly #offered = new Map<number, Offered>();
  readonly #served = new Map<number, { socket: Socket; protocol: NamedProtocol }>();
  #accepted: number[] = [];
  #refused: number[] = [];
  /** The messages about sockets that were handled in this turn, and the sockets that have ended. */
  #done: [id: number, reply: number][] = [];
  #ended: number[] = [];
  /** How many messages about each socket are not handled yet. */
  readonly #unanswered = new Map<number, number>();
  #closed = false;

  constructor(context: ArrivalsContext) {
    this.#context = context;
  }

  /** Receives a message, with the handle that came with it. */
  hear(word: SocketMessage, handle: RawHandle | undefined): void {
    if (word.type === 'payload') this.#payloads.add(word);
    else if (word.type === 'offer') this.#consider(word, handle);
    else if (word.type === 'transfer') for (const id of word.ids) this.#serve(id);
    else this.#pass(word);
  }

  /** Whether the old process waits for an answer that only this process can give. */
  get answering(): boolean {
    return this.#unanswered.size + this.#done.length + this.#ended.length > 0;
  }

  /** The sockets that arrived and have moved on to this destination: each with its id here and there. */
  routesTo(destination: unknown): OlderProcess['routes'] {
    return [...this.#served].flatMap(([theirs, { socket }]) => {
      const route = this.#context.protocols.routeOf(socket);
      return route && route.to === destination ? [[theirs, route.id]] : [];
    });
  }

  /** Keeps track of the old process's sockets that came through another one, which knew them by other ids. */
  follow(routes: OlderProcess['routes'], through: Arrivals): void {
    for (const [theirs, ours] of routes) {
      const served = through.#served.get(ours);
      if (served) this.#keep(theirs, served);
      else this.#end(theirs);
    }
  }

  /** The old process is gone: this process serves the sockets that were only offered. */
  alone(): void {
    for (const id of [...this.#offered.keys()]) this.#serve(id);
    this.#served.clear();
  }

  /** The old process rolls back: closes the handles that were only offered, and refuses later offers. */
  release(): void {
    this.#closed = true;
    for (const { handle } of this.#offered.values()) handle.close();
    this.#offered.clear();
  }

  #consider(
    { id, protocol: name, address }: Extract<SocketMessage, { type: 'offer' }>,
    handle: RawHandle | undefined,
  ): void {
    if (this.#accepted.length + this.#refused.length === 0) this.#context.world.turn(() => this.#flush());
    const packed = this.#payloads.take(id);
    const protocol = this.#context.protocols.get(name);
    const tracked = this.#context.servers().find(({ bound }) => bound && label(bound) === address);
    // Without a free descriptor the handle is lost on the way; a full server would drop the connection.
    if (handle && protocol && tracked && !this.#closed && !isFull(tracked)) {
      try {
        const [state, unread] = unpack(packed) as [unknown, Uint8Array | undefined];
        this.#offered.set(id, { tracked, protocol, handle, state, unread });
        this.#accepted.push(id);
        return;
      } catch {
        // Serialized by a Node.js version whose format this one cannot read.
      }
    }
    handle?.close();
    this.#refused.push(id);
  }

  #flush(): void {
    this.#context.answer({ type: 'answer', accepted: this.#accepted, refused: this.#refused });
    this.#accepted = [];
    this.#refused = [];
  }

  #serve(id: number): void {
    const offered = this.#offered.get(id);
    if (!offered) return;
    this.#offered.delete(id);
    const { tracked, protocol, handle, state, unread } = offered;
    const socket = this.#context.protocols.serve(
      tracked,
      protocol,
      handle,
      unread ? { state, unread } : { state },
    );
    if (!socket) {
      this.#end(id);
      return;
    }
    this.#keep(id, { socket, protocol });
    if (tracked.bound) this.#context.onMoved(label(tracked.bound));
  }

  #pass({ id, reply }: Extract<SocketMessage, { type: 'socket-message' }>): void {
    const packed = this.#payloads.take(id);
    const served = this.#served.get(id);
    // If it has ended, the message about its end is on its way to the old process.
    if (!served) return;
    const { socket, protocol } = served;
    let word: unknown;
    try {
      word = unpack(packed);
    } catch (error) {
      // Serialized by a Node.js version whose format this one cannot read.
      const { log } = this.#context;
      log.error(
        `A message for a socket of ${protocol.name} failed, and the socket is closed: ${messageOf(error)}`,
      );
      socket.destroy();
      return;
    }
    // A message that fails destroys its socket; the old process then receives the end of the socket.
    const done = (error?: Error) => {
      if (error) return;
      this.#count(id, -1);
      this.#report();
      this.#done.push([id, reply]);
    };
    if (reply > 0) this.#count(id, 1);
    this.#context.protocols.tell(socket, protocol, word, ...(reply > 0 ? [done] : []));
  }

  #count(id: number, change: number): void {
    const count = (this.#unanswered.get(id) ?? 0) + change;
    if (count > 0) this.#unanswered.set(id, count);
    else this.#unanswered.delete(id);
  }

  #keep(id: number, served: { socket: Socket; protocol: NamedProtocol }): void {
    this.#served.set(id, served);
    this.#context.protocols.onEnd(served.socket, () => this.#end(id));
  }

  #end(id: number): void {
    this.#served.delete(id);
    this.#unanswered.delete(id);
    this.#report();
    this.#ended.push(id);
  }

  /** Reports in one message a turn which messages were handled, and which sockets have ended. */
  #report(): void {
    if (this.#done.length + this.#ended.length > 0) return;
    this.#context.world.turn(() => {
      this.#context.answer({ type: 'told', done: this.#done, ended: this.#ended });
      this.#done = [];
      this.#ended = [];
    });
  }
}
