import type { Socket } from 'node:net';
import type { TrackedServer } from '../drain/tracked-server.js';
import { messageOf } from '../errors.js';
import type { ToSuccessor } from '../handoff/protocol.js';
import { label } from '../listen/address.js';
import type { Logger } from '../log.js';
import { detachHandle, type RawHandle, startReading, stopReading } from '../node-private.js';
import type { World } from '../world.js';
import { pack, sendParcels, unpack } from './parcels.js';
import type { Leaving, NamedProtocol, Protocols, Route } from './protocols.js';

/** How many sockets may be between two owners at once, and how many bytes they may take along. */
const WINDOW = 256;
const MOST_BYTES = 4 * 1024 * 1024;
/** How many are asked in one turn of the event loop: between two turns both processes serve others. */
const PER_TURN = 32;
/** How long a successor that is sent away may take to answer; from then on what it has not been given is ours again. */
const ANSWER_TIME = 1_000;
/** How often the sockets that could not leave yet are asked again. */
const LOOK_EVERY = 20;
/** Asking them all takes at most one part in so many of the time. */
const BETWEEN_LOOKS = 4;

/** Where sockets go. */
export interface SocketDestination {
  send(message: ToSuccessor, handle?: RawHandle): void;
  /** Whether nothing can be sent for the moment. */
  readonly paused: boolean;
  /** Whether it knows the protocol. */
  understands(name: string): boolean;
  /** Resolves when nobody is there any more. */
  readonly gone: Promise<unknown>;
}

/** What the leaving of sockets needs of the process that they leave. */
export interface OffersContext {
  destination: SocketDestination;
  world: World;
  protocols: Protocols;
  servers(): readonly TrackedServer[];
  /** Whether the sockets of this server may go to the successor. */
  movable(tracked: TrackedServer): boolean;
  logger(): Logger;
  /** A socket has arrived there. */
  onMoved(address: string): void;
  /** Nothing is on its way any more, since what was has come back. */
  onBack(): void;
}

interface OnTheWay {
  tracked: TrackedServer;
  protocol: NamedProtocol;
  handle: RawHandle;
  packed: Buffer;
  afterwards: Afterwards;
}

/**
 * Offers upgraded and raw sockets to the successor, each at a moment that its protocol chooses.
 *
 * A socket has one owner at any time. Its reading is stopped before its protocol is asked, so that what it has read is all
 * there is to take along. The successor only says whether it would serve it; it touches the socket when it has heard
 * `yours`, and with that word our copy is closed. Until then the socket can be served here again, and nothing is lost.
 */
export class Offers {
  readonly #context: OffersContext;
  readonly #queue = new Set<Socket>();
  readonly #staying = new WeakSet<Socket>();
  readonly #onTheWay = new Map<number, OnTheWay>();
  /** Those that have left in this turn and are not sent yet. */
  readonly #leaving: number[] = [];
  #nextId = 0;
  #bytes = 0;
  #scheduled = false;
  #nextLook = 0;
  #stopped = false;
  #takenBack = false;
  #gone = false;
  #cancel = () => {};
  #letGo = () => {};

  constructor(context: OffersContext) {
    this.#context = context;
    void context.destination.gone.then(() => {
      this.#gone = true;
      this.stop();
      this.#comeBack([...this.#onTheWay.keys()]);
    });
  }

  /** Begins to offer. */
  begin(): void {
    this.#cancel = this.#context.world.every(LOOK_EVERY, () => this.#look());
    this.#look();
  }

  /** The successor says which it would serve, and which not. */
  answered(accepted: readonly number[], refused: readonly number[]): void {
    const { destination } = this.#context;
    // The successor has let go of them when it heard that it leaves.
    if (this.#takenBack) {
      this.#comeBack([...accepted, ...refused]);
      return;
    }
    // The word is on its way before anything else is: from here on they are not ours.
    if (accepted.length > 0) destination.send({ type: 'yours', ids: [...accepted] });
    for (const id of accepted) {
      const moved = this.#take(id);
      if (!moved) continue;
      moved.handle.close();
      moved.afterwards.settle((packed) => {
        if (this.#gone) return false;
        sendParcels([[id, packed]], (parcels) => destination.send(parcels));
        destination.send({ type: 'word', id });
        return true;
      });
      moved.afterwards.where = () => (this.#gone ? undefined : { to: destination, id });
      if (moved.tracked.bound) this.#context.onMoved(label(moved.tracked.bound));
    }
    this.#comeBack(refused);
    this.#schedule();
  }

  /** Whether a socket is between two owners. */
  get busy(): boolean {
    return this.#onTheWay.size > 0;
  }

  /** Whether this socket may still leave. */
  mayMove(socket: Socket): boolean {
    return !this.#stopped && !this.#staying.has(socket) && this.#trackedOf(socket) !== undefined;
  }

  /** The successor is sent away: what it has not been given yet comes back when it has answered or is gone, and soon in any case. */
  takeBack(): void {
    this.#takenBack = true;
    this.stop();
    // It never hears `yours`, so it touches none of them, however late it answers.
    this.#context.world.after(ANSWER_TIME, () => this.#comeBack([...this.#onTheWay.keys()]));
  }

  /** Offers nothing more; what is on its way arrives or comes back. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#queue.clear();
  }

  #look(): void {
    const { world, protocols, destination } = this.#context;
    if (this.#stopped || destination.paused || this.#queue.size > 0 || world.now() < this.#nextLook) return;
    for (const [socket, { name }] of protocols.sockets)
      if (!this.#staying.has(socket) && destination.understands(name)) this.#queue.add(socket);
    this.#pump();
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { world, protocols, destination } = this.#context;
    // The next look finds them again.
    if (destination.paused) this.#queue.clear();
    const began = world.now();
    let asked = 0;
    for (const socket of this.#queue) {
      if (this.#onTheWay.size >= WINDOW || this.#bytes >= MOST_BYTES) break;
      if (asked === PER_TURN) {
        this.#schedule();
        break;
      }
      this.#queue.delete(socket);
      const protocol = protocols.sockets.get(socket);
      const tracked = this.#trackedOf(socket);
      if (protocol && tracked) this.#ask(socket, protocol, tracked);
      asked += 1;
    }
    this.#send();
    this.#nextLook = world.now() + (world.now() - began) * BETWEEN_LOOKS;
  }

  #trackedOf(socket: Socket): TrackedServer | undefined {
    return this.#context
      .servers()
      .find((tracked) => tracked.sockets.has(socket) && this.#context.movable(tracked));
  }

  #ask(socket: Socket, protocol: NamedProtocol, tracked: TrackedServer): void {
    if (socket.destroyed || !socket.readable || !socket.writable || socket.writableLength > 0) return;
    if (!stopReading(socket)) return;
    const { logger } = this.#context;
    let leaving: Leaving | 'later' | 'never';
    let packed: Buffer | undefined;
    try {
      leaving = protocol.save(socket);
      // What comes before `left` can still be taken back; a state that cannot be cloned is found out here.
      if (typeof leaving === 'object') packed = pack([leaving.state, leaving.unread]);
    } catch (error) {
      logger().error(`Saving a socket of ${protocol.name} failed, it stays: ${messageOf(error)}`);
      leaving = 'never';
    }
    if (typeof leaving === 'object' && packed) this.#leave(socket, protocol, tracked, leaving, packed);
    else {
      if (leaving === 'never') this.#staying.add(socket);
      startReading(socket);
    }
  }

  #leave(
    socket: Socket,
    protocol: NamedProtocol,
    tracked: TrackedServer,
    leaving: Leaving,
    plain: Buffer,
  ): void {
    const { world, protocols, logger } = this.#context;
    const afterwards = new Afterwards();
    const tell = (word: unknown) => afterwards.tell(word);
    protocols.left(socket, tell, () => afterwards.where?.());
    try {
      leaving.left?.(tell);
    } catch (error) {
      logger().error(`A socket of ${protocol.name} has left, and its \`left\` threw: ${messageOf(error)}`);
    }
    // A stream that was paused holds what its owner has not seen; without its listeners nobody does.
    socket.removeAllListeners('data').removeAllListeners('readable');
    const rest = socket.read() as Buffer | null;
    // To have made room in the buffer starts the reading anew.
    stopReading(socket);
    const packed = rest
      ? pack([leaving.state, Buffer.concat([leaving.unread ?? Buffer.alloc(0), rest])])
      : plain;
    const handle = detachHandle(socket);
    const id = this.#nextId++;
    if (this.#onTheWay.size === 0) this.#letGo = world.stayAlive();
    this.#onTheWay.set(id, { tracked, protocol, handle, packed, afterwards });
    this.#bytes += packed.length;
    this.#leaving.push(id);
  }

  /** Sends those that have left in this turn: first what they take along, then each with its handle. */
  #send(): void {
    const { destination } = this.#context;
    const leaving = this.#leaving.splice(0).map((id) => [id, this.#onTheWay.get(id) as OnTheWay] as const);
    sendParcels(
      leaving.map(([id, { packed }]) => [id, packed] as const),
      (parcels) => destination.send(parcels),
    );
    for (const [id, { tracked, protocol, handle }] of leaving) {
      const address = tracked.bound ? label(tracked.bound) : '';
      destination.send({ type: 'offer', id, protocol: protocol.name, address }, handle);
    }
  }

  #take(id: number): OnTheWay | undefined {
    const found = this.#onTheWay.get(id);
    if (!found) return undefined;
    this.#onTheWay.delete(id);
    this.#bytes -= found.packed.length;
    if (this.#onTheWay.size === 0) this.#letGo();
    return found;
  }

  /** These are served here again, as if they had come from somewhere else. */
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
      if (socket) this.#staying.add(socket);
      kept.afterwards.settle(
        (packed) => socket !== undefined && protocols.tell(socket, kept.protocol, unpack(packed)),
      );
      if (socket) kept.afterwards.where = () => protocols.routeOf(socket);
    }
    if (ids.length > 0 && !this.busy) this.#context.onBack();
  }
}

/** What is said of a socket after it has left: kept until it is known where it has gone. */
class Afterwards {
  readonly #kept: Buffer[] = [];
  #deliver: ((packed: Buffer) => boolean) | undefined;
  /** Where the socket has gone, once that is known. */
  where: (() => Route | undefined) | undefined;

  tell(word: unknown): boolean {
    const packed = pack(word);
    if (this.#deliver) return this.#deliver(packed);
    this.#kept.push(packed);
    return true;
  }

  settle(deliver: (packed: Buffer) => boolean): void {
    this.#deliver = deliver;
    for (const packed of this.#kept.splice(0)) deliver(packed);
  }
}
