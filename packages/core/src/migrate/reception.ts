import type { TrackedServer } from '../connections/tracked-server.js';
import type { MovingConnection, OlderProcess, ToPredecessor } from '../handoff/protocol.js';
import type { Log } from '../log.js';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { Arrivals, type SocketMessage } from './arrivals.js';
import type { Protocols } from './protocols.js';
import { Receiver } from './receiver.js';

/** What the reception of connections needs of the process that takes them. */
export interface ReceptionContext {
  world: World;
  /** The channel to the process that sends them. */
  sender: { send(message: ToPredecessor): void; readonly closed: Promise<void> };
  protocols: Protocols;
  servers(): TrackedServer[];
  log: Log;
  /** A live connection has come. */
  onMoved(address: string): void;
}

/** Takes what an older process sends: connections that speak HTTP, and sockets of other protocols. */
export class Reception {
  readonly #context: ReceptionContext;
  readonly #receiver: Receiver;
  readonly #arrivals: Arrivals;

  constructor(context: ReceptionContext) {
    this.#context = context;
    const { world, sender, protocols, servers, log, onMoved } = context;
    this.#receiver = new Receiver(world, servers, (ids, lost) => sender.send({ type: 'moved', ids, lost }));
    this.#arrivals = new Arrivals({
      world,
      protocols,
      servers,
      log,
      answer: (message) => sender.send(message),
      onMoved,
    });
    void sender.closed.then(() => this.#arrivals.alone());
  }

  /** A connection that speaks HTTP, or a word about a socket that does not. */
  hear(message: MovingConnection | SocketMessage, handle: RawHandle | undefined): void {
    if (message.type !== 'connection') this.#arrivals.hear(message, handle);
    else if (this.#receiver.receive(message, handle)) this.#context.onMoved(message.address);
  }

  /** The old process has taken its place back. */
  release(): void {
    this.#arrivals.release();
  }

  /** An older process offers only sockets of protocols that were named to it. */
  tellProtocols(): void {
    const { sender, protocols } = this.#context;
    sender.send({ type: 'protocols', names: protocols.names });
  }

  /** Whether the old process waits for an answer that only this process can give. */
  get answering(): boolean {
    return this.#arrivals.answering;
  }

  /** For the sockets that came and have gone on to this destination: their ids here, and those there. */
  routesTo(destination: unknown): OlderProcess['routes'] {
    return this.#arrivals.routesTo(destination);
  }

  /** These came from the same process through another one. */
  follow(routes: OlderProcess['routes'], through: Reception): void {
    this.#arrivals.follow(routes, through.#arrivals);
  }
}
