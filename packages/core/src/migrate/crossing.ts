import type { Socket } from 'node:net';
import type { TrackedServer } from '../connections/tracked-server.js';
import type { ToSuccessor } from '../handoff/protocol.js';
import { label } from '../listen/address.js';
import type { Log } from '../log.js';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import type { Afterwards } from './afterwards.js';
import { sendPayload, unpack } from './payload.js';
import type { NamedProtocol, Protocols } from './protocols.js';

/** How many sockets may be between two owners at once, and how many bytes they may take along. */
const WINDOW = 256;
const MOST_BYTES = 4 * 1024 * 1024;
/** Milliseconds after a rollback in which the successor may answer; then sockets not yet given come back. */
const ANSWER_TIME = 1_000;

/** Where sockets move to. */
export interface SocketDestination {
  send(message: ToSuccessor, handle?: RawHandle): void;
  /** Whether nothing can be sent at the moment. */
  readonly paused: boolean;
  /** Whether the destination knows the protocol. */
  understands(name: string): boolean;
  /** Resolves when the destination is gone. */
  readonly gone: Promise<unknown>;
}

/** What the offers need from the process that the sockets leave. */
export interface OffersContext {
  destination: SocketDestination;
  world: World;
  protocols: Protocols;
  servers(): readonly TrackedServer[];
  /** Whether the sockets of this server may move to the successor. */
  movable(tracked: TrackedServer): boolean;
  log: Log;
  /** A socket has arrived at the successor. */
  onMoved(address: string): void;
  /** The last socket on its way has come back. */
  onBack(): void;
}

/** A socket that has left and has no other owner yet. */
interface OnTheWay {
  tracked: TrackedServer;
  protocol: NamedProtocol;
  handle: RawHandle;
  packed: Buffer;
  afterwards: Afterwards;
}

/** The sockets between two owners: the successor gets each of them, or this process serves it again. */
export class Crossing {
  readonly #context: OffersContext;
  readonly #onBack: (socket: Socket) => void;
  readonly #onTheWay = new Map<number, OnTheWay>();
  /** The sockets that have left in this turn and are not sent yet. */
  readonly #leaving: number[] = [];
  /** The later messages about the sockets that the successor serves. */
  readonly #served = new Map<number, Afterwards>();
  #nextId = 0;
  #bytes = 0;
  #takenBack = false;
  #gone = false;
  #release = () => {};

  /** `onBack` gets each socket that this process serves again. */
  constructor(context: OffersContext, onBack: (socket: Socket) => void) {
    this.#context = context;
    this.#onBack = onBack;
  }

  /** How many sockets are between two owners. */
  get size(): number {
    return this.#onTheWay.size;
  }

  /** Whether no other socket may leave now. */
  get full(): boolean {
    return this.#onTheWay.size >= WINDOW || this.#bytes >= MOST_BYTES;
  }

  /** Adds a socket that has left. */
  add(leaving: OnTheWay): void {
    const id = this.#nextId++;
    if (this.#onTheWay.size === 0) this.#release = this.#context.world.stayAlive();
    this.#onTheWay.set(id, leaving);
    this.#bytes += leaving.packed.length;
    this.#leaving.push(id);
  }

  /** Sends the sockets that have left in this turn: first what they take along, then each with its handle. */
  send(): void {
    const { destination } = this.#context;
    const leaving = this.#leaving.splice(0).map((id) => [id, this.#onTheWay.get(id) as OnTheWay] as const);
    sendPayload(
      leaving.map(([id, { packed }]) => [id, packed] as const),
      (payload) => destination.send(payload),
    );
    for (const [id, { tracked, protocol, handle }] of leaving) {
      const address = tracked.bound ? label(tracked.bound) : '';
      destination.send({ type: 'offer', id, protocol: protocol.name, address }, handle);
    }
  }

  /** The successor answers which of the offered sockets it would serve, and which it refuses. */
  answered(accepted: readonly number[], refused: readonly number[]): void {
    const { destination } = this.#context;
    // The successor released them when it received `retire`.
    if (this.#takenBack) {
      this.#comeBack([...accepted, ...refused]);
      return;
    }
    // This message is sent before anything else: from here on the sockets are the successor's.
    if (accepted.length > 0) destination.send({ type: 'transfer', ids: [...accepted] });
    for (const id of accepted) {
      const moved = this.#take(id);
      if (!moved) continue;
      moved.handle.close();
      this.#served.set(id, moved.afterwards);
      moved.afterwards.settle((packed, reply) => {
        if (this.#gone) return false;
        sendPayload([[id, packed]], (payload) => destination.send(payload));
        destination.send({ type: 'socket-message', id, reply });
        return true;
      });
      moved.afterwards.where = () => (this.#gone ? undefined : { to: destination, id });
      if (moved.tracked.bound) this.#context.onMoved(label(moved.tracked.bound));
    }
    this.#comeBack(refused);
  }

  /** The successor reports which messages about sockets it has handled, and which sockets have ended. */
  told(done: readonly (readonly [id: number, reply: number])[], ended: readonly number[]): void {
    for (const [id, reply] of done) this.#served.get(id)?.acknowledge(reply);
    for (const id of ended) this.#end(id);
  }

  /**
   * This process rolls back: sockets not yet given come back when the successor answers or is gone, and after
   * `ANSWER_TIME` at the latest.
   */
  takeBack(): void {
    this.#takenBack = true;
    // The successor never receives `transfer`, so it touches none of them, however late it answers.
    this.#context.world.after(ANSWER_TIME, () => this.#comeBack([...this.#onTheWay.keys()]));
  }

  /** The successor is gone, and with it the sockets that it served. */
  gone(): void {
    this.#gone = true;
    this.#comeBack([...this.#onTheWay.keys()]);
    for (const id of [...this.#served.keys()]) this.#end(id);
  }

  #take(id: number): OnTheWay | undefined {
    const found = this.#onTheWay.get(id);
    if (!found) return undefined;
    this.#onTheWay.delete(id);
    this.#bytes -= found.packed.length;
    if (this.#onTheWay.size === 0) this.#release();
    return found;
  }

  #end(id: number): void {
    const afterwards = this.#served.get(id);
    this.#served.delete(id);
    afterwards?.end();
  }

  /** Serves these sockets here again, as if another process had sent them. */
  #comeBack(ids: readonly number[]): void {
    const { protocols } = this.#context;
    for (const id of ids) {
      const kept = this.#take(id);
      if (!kept) continue;
      const [state, unread] = unpack(kept.packed) as [unknown, Uint8Array | undefined];
      const socket = protocols.serve(
        kept.tracked,
        kept.protocol,
        kept.handle,
        unread ? { state, unread } : { state },
      );
      if (socket) this.#onBack(socket);
      const { afterwards } = kept;
      if (socket) protocols.onEnd(socket, () => afterwards.end());
      if (socket) afterwards.where = () => protocols.routeOf(socket);
      afterwards.settle(
        (packed, reply) =>
          socket !== undefined &&
          protocols.tell(socket, kept.protocol, unpack(packed), (error) =>
            error ? afterwards.fail(reply, error) : afterwards.acknowledge(reply),
          ),
      );
      if (!socket) afterwards.end();
    }
    if (ids.length > 0 && this.size === 0) this.#context.onBack();
  }
}
