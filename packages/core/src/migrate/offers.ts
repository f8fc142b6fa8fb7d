import type { Socket } from 'node:net';
import { attempt, isThenable } from '../attempt.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import { messageOf } from '../errors.js';
import { detachHandle, startReading, stopReading } from '../node-private/connection.js';
import { Afterwards } from './afterwards.js';
import { Crossing, type OffersContext } from './crossing.js';
import { pack } from './payload.js';
import type { Leaving, NamedProtocol } from './protocols.js';

/** A socket with more bytes waits until nothing else is to be sent, since it would delay the others. */
const SMALL = 64 * 1024;
/** How many sockets to ask in one turn of the event loop: between two turns both processes serve others. */
const PER_TURN = 32;
/** How often to ask the sockets again that could not leave yet. */
const LOOK_EVERY = 20;
/** After asking, no look begins for this many times as long as it took. */
const BETWEEN_LOOKS = 4;

/**
 * Offers upgraded and raw sockets to the successor, each at a moment that its protocol chooses.
 *
 * A socket has one owner at any time. Its reading stops before its protocol is asked, so that what it has
 * read is all there is to take along. The successor first only answers whether it would serve the socket. It
 * touches the socket when it has received `transfer`; with that message, this process closes its own copy.
 * Until then this process can serve the socket again, and nothing is lost.
 */
export class Offers {
  readonly #context: OffersContext;
  readonly #queue = new Set<Socket>();
  /** Sockets with many bytes: each moves when the queue is empty and nothing is on its way. */
  readonly #large = new Set<Socket>();
  readonly #staying = new WeakSet<Socket>();
  readonly #explained = new WeakSet<NamedProtocol>();
  readonly #crossing: Crossing;
  #scheduled = false;
  #nextLook = 0;
  #stopped = false;
  #cancel = () => {};

  constructor(context: OffersContext) {
    this.#context = context;
    this.#crossing = new Crossing(context, (socket) => this.#staying.add(socket));
    void context.destination.gone.then(() => {
      this.stop();
      this.#crossing.gone();
    });
  }

  /** Begins to offer. */
  begin(): void {
    this.#cancel = this.#context.world.every(LOOK_EVERY, () => this.#look());
    this.#look();
  }

  /** The successor answers which of the offered sockets it would serve, and which it refuses. */
  answered(accepted: readonly number[], refused: readonly number[]): void {
    this.#crossing.answered(accepted, refused);
    this.#schedule();
  }

  /** The successor reports which messages about sockets it has handled, and which sockets have ended. */
  told(done: readonly (readonly [id: number, reply: number])[], ended: readonly number[]): void {
    this.#crossing.told(done, ended);
  }

  /** Whether a socket is between two owners. */
  get busy(): boolean {
    return this.#crossing.size > 0;
  }

  /** Whether this socket may still leave. */
  mayMove(socket: Socket): boolean {
    return !this.#stopped && !this.#staying.has(socket) && this.#trackedOf(socket) !== undefined;
  }

  /** Whether this socket could leave now, if other sockets did not leave first. */
  waits(socket: Socket): boolean {
    return this.#queue.has(socket) || this.#large.has(socket);
  }

  /** This process rolls back: offers nothing more, and sockets not yet given come back soon. */
  takeBack(): void {
    this.stop();
    this.#crossing.takeBack();
  }

  /** Offers nothing more; sockets on their way arrive or come back. */
  stop(): void {
    this.#stopped = true;
    this.#cancel();
    this.#queue.clear();
    this.#large.clear();
  }

  #look(): void {
    const { world, protocols, destination } = this.#context;
    if (this.#stopped || destination.paused || this.#queue.size > 0 || world.now() < this.#nextLook) return;
    for (const [socket, protocol] of protocols.sockets) {
      if (this.#staying.has(socket) || this.#large.has(socket)) continue;
      if (protocol.stays !== undefined) this.#leaveAlone(socket, protocol);
      else if (destination.understands(protocol.name)) this.#queue.add(socket);
    }
    this.#pump();
  }

  /** Logs once why the sockets of a protocol stay, if they could move otherwise. */
  #leaveAlone(socket: Socket, protocol: NamedProtocol): void {
    if (this.#trackedOf(socket) && !this.#explained.has(protocol))
      this.#context.log.warn(`Sockets of ${protocol.name} do not move: ${protocol.stays}`);
    this.#explained.add(protocol);
    this.#staying.add(socket);
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#context.world.turn(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { world, protocols, destination } = this.#context;
    // The next look finds them again.
    if (destination.paused) for (const waiting of [this.#queue, this.#large]) waiting.clear();
    const began = world.now();
    let asked = 0;
    for (const waiting of [this.#queue, this.#large])
      for (const socket of waiting) {
        const large = waiting === this.#large;
        if (large ? this.#crossing.size > 0 || this.#queue.size > 0 : this.#crossing.full) break;
        if (asked === PER_TURN) {
          this.#schedule();
          break;
        }
        waiting.delete(socket);
        const protocol = protocols.sockets.get(socket);
        const tracked = this.#trackedOf(socket);
        if (protocol && tracked) this.#ask(socket, protocol, tracked, large);
        asked += 1;
      }
    this.#crossing.send();
    this.#nextLook = world.now() + (world.now() - began) * BETWEEN_LOOKS;
  }

  #trackedOf(socket: Socket): TrackedServer | undefined {
    return this.#context
      .servers()
      .find((tracked) => tracked.sockets.has(socket) && this.#context.movable(tracked));
  }

  #ask(socket: Socket, protocol: NamedProtocol, tracked: TrackedServer, large: boolean): void {
    if (socket.destroyed || !socket.readable || !socket.writable || socket.writableLength > 0) return;
    if (!stopReading(socket)) return;
    const { log } = this.#context;
    let leaving: Leaving | 'later' | 'never';
    let packed: Buffer | undefined;
    try {
      leaving = protocol.save(socket);
      if (isThenable(leaving)) {
        leaving.then(undefined, () => {});
        throw new Error('`save` returned a promise, but must return its result at once');
      }
      // Before `left` is called, the socket can still stay; `pack` throws here if the state cannot be cloned.
      if (typeof leaving === 'object') packed = pack([leaving.state, leaving.unread]);
    } catch (error) {
      log.error(`Saving a socket of ${protocol.name} failed, so it does not move: ${messageOf(error)}`);
      leaving = 'never';
    }
    if (packed && packed.length > SMALL && !large) {
      this.#large.add(socket);
      startReading(socket);
      return;
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
    const { protocols, log } = this.#context;
    const report = (error: unknown) =>
      log.error(`A socket of ${protocol.name} has moved, and a callback of it threw: ${messageOf(error)}`);
    const afterwards = new Afterwards(report);
    protocols.left(socket, afterwards);
    attempt(() => leaving.left?.((word, done) => afterwards.tell(word, done)), report);
    afterwards.onEnd(() => leaving.ended?.());
    // A paused stream holds bytes that its owner has not seen; without listeners, only `read` gets them.
    socket.removeAllListeners('data').removeAllListeners('readable');
    const rest = socket.read() as Buffer | null;
    // The buffer has room again, which has restarted the reading.
    stopReading(socket);
    const packed = rest
      ? pack([leaving.state, Buffer.concat([leaving.unread ?? Buffer.alloc(0), rest])])
      : plain;
    const handle = detachHandle(socket);
    this.#crossing.add({ tracked, protocol, handle, packed, afterwards });
  }
}
