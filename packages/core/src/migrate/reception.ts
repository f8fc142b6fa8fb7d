import type { TrackedServer } from '../drain/tracked-server.js';
import type { Predecessor } from '../handoff/predecessor.js';
import type { Moved } from '../handoff/protocol.js';
import type { RawHandle } from '../node-private.js';
import { Arrivals, type SocketWord } from './arrivals.js';
import type { Protocols } from './protocols.js';
import { Receiver } from './receiver.js';

/** What the reception of connections needs of the process that takes them. */
export interface ReceptionContext {
  predecessor: Predecessor;
  protocols: Protocols;
  servers(): TrackedServer[];
  /** A live connection has come. */
  onMoved(address: string): void;
}

/** Takes what the old process sends: connections that speak HTTP, and sockets of other protocols. */
export class Reception {
  readonly #context: ReceptionContext;
  readonly #receiver: Receiver;
  readonly #arrivals: Arrivals;

  constructor(context: ReceptionContext) {
    this.#context = context;
    const { predecessor, protocols, servers, onMoved } = context;
    this.#receiver = new Receiver(servers, (ids, lost) => predecessor.send({ type: 'taken', ids, lost }));
    this.#arrivals = new Arrivals({
      protocols,
      servers,
      answer: (message) => predecessor.send(message),
      onMoved,
    });
    void predecessor.closed.then(() => this.#arrivals.alone());
  }

  /** A connection that speaks HTTP, or a word about a socket that does not. */
  hear(message: Moved | SocketWord, handle: RawHandle | undefined): void {
    if (message.type !== 'connection') this.#arrivals.hear(message, handle);
    else if (this.#receiver.receive(message, handle)) this.#context.onMoved(message.address);
  }

  /** The old process has taken its place back. */
  letGo(): void {
    this.#arrivals.letGo();
  }

  /** The old process offers only sockets of protocols that it has heard of. */
  tellProtocols(): void {
    const { predecessor, protocols } = this.#context;
    predecessor.send({ type: 'protocols', names: protocols.names });
  }
}
