import type { TrackedServer } from '../connections/tracked-server.js';
import type { MovingConnection, OlderProcess, ToPredecessor } from '../handoff/protocol.js';
import type { Log } from '../log.js';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { Arrivals, type SocketMessage } from './arrivals.js';
import type { Protocols } from './protocols.js';
import { Receiver } from './receiver.js';

/** What the reception of connections needs from the process that receives them. */
export interface ReceptionContext {
  world: World;
  /** The channel to the process that sends them. */
  sender: { send(message: ToPredecessor): void; readonly closed: Promise<void> };
  protocols: Protocols;
  servers(): TrackedServer[];
  log: Log;
  /** A live connection has arrived. */
  onMoved(address: string): void;
}

/** Receives what an older process sends: connections that speak HTTP, and sockets of other protocols. */
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

  /** Receives a connection that speaks HTTP, or a message about a socket that does not. */
  hear(message: MovingConnection | SocketMessage, handle: RawHandle | undefined): void {
    if (message.type !== 'connection') this.#arrivals.hear(message, handle);
    else if (this.#receiver.receive(message, handle)) this.#context.onMoved(message.address);
  }

  /** The old process has rolled back. */
  release(): void {
    this.#arrivals.release();
  }

  /** Names the protocols of this process: an older one offers only sockets of these. */
  tellProtocols(): void {
    const { sender, protocols } = this.#context;
    sender.send({ type: 'protocols', names: protocols.names });
  }

  /** Whether the old process waits for an answer that only this process can give. */
  get answering(): boolean {
    return this.#arrivals.answering;
  }

  /** The sockets that arrived and have moved on to this destination: each with its id here and there. */
  routesTo(destination: unknown): OlderProcess['routes'] {
    return this.#arrivals.routesTo(destination);
  }

  /** Keeps track of sockets that came from the same process through another one. */
  follow(routes: OlderProcess['routes'], through: Reception): void {
    this.#arrivals.follow(routes, through.#arrivals);
  }
}
