import { WebSocket } from 'ws';
import type { Ledger } from './ledger.js';
import { PATIENCE } from './losses.js';
import { serverName, type Target } from './target.js';

/** How often each WebSocket sends a message. */
const BEAT = 500;
/** How long a WebSocket that was closed waits before it connects again. */
const AGAIN = 200;
/** The close codes of a close notice: going away, and service restart. */
const NOTICES = [1000, 1001, 1012];

/** WebSockets beside the requests. Each sends a text, and a server that sends it back is measured by that. */
export class WebSockets {
  readonly #links: Link[];

  constructor(target: Target, ledger: Ledger, paths: readonly string[], count: number) {
    this.#links = paths.flatMap((path) =>
      Array.from({ length: count }, (_, at) => new Link(target, ledger, path, (BEAT * at) / count)),
    );
  }

  /** Connects none again. */
  leave(): void {
    for (const link of this.#links) link.leave();
  }

  /** Closes all. */
  stop(): void {
    for (const link of this.#links) link.stop();
  }
}

/** One WebSocket, and the next one when it was closed. */
class Link {
  readonly #target: Target;
  readonly #ledger: Ledger;
  readonly #path: string;
  #socket: WebSocket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stays = true;
  /** The text that was sent, and when. */
  #sent: { text: string; since: number } | undefined;
  /** Whether the server has sent a text back. */
  #echoes = false;
  #count = 0;

  constructor(target: Target, ledger: Ledger, path: string, after: number) {
    this.#target = target;
    this.#ledger = ledger;
    this.#path = path;
    this.#timer = setTimeout(() => this.#open(), after);
  }

  leave(): void {
    this.#stays = false;
    if (!this.#socket) clearTimeout(this.#timer);
  }

  stop(): void {
    this.#stays = false;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.terminate();
  }

  #open(): void {
    const { authority } = this.#target;
    const since = performance.now();
    const socket = new WebSocket(urlOf(this.#target, this.#path), {
      ...serverName(authority),
      ...{ rejectUnauthorized: false, handshakeTimeout: PATIENCE, headers: { host: authority } },
    });
    this.#socket = socket;
    this.#ledger.opened += 1;
    let open = false;
    let failure: NodeJS.ErrnoException | undefined;
    socket.on('open', () => {
      open = true;
      this.#ledger.answer(since);
      this.#beat();
    });
    socket.on('message', (data) => this.#received(String(data)));
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', (code) => {
      if (this.#socket !== socket) return;
      this.#socket = undefined;
      clearTimeout(this.#timer);
      if (!open) this.#lose(failure?.code === 'ECONNREFUSED' ? 'refused' : 'closed', since, failure?.message);
      else this.#closed(code, failure);
      this.#sent = undefined;
      if (this.#stays) this.#timer = setTimeout(() => this.#open(), AGAIN);
    });
  }

  #closed(code: number, failure: NodeJS.ErrnoException | undefined): void {
    const { webSocketsClosed } = this.#ledger.current;
    webSocketsClosed.set(code, (webSocketsClosed.get(code) ?? 0) + 1);
    if (NOTICES.includes(code)) return;
    const detail = failure?.message ?? `a WebSocket was closed with code ${code}`;
    this.#lose(failure?.code === 'ECONNRESET' ? 'reset' : 'closed', performance.now(), detail);
  }

  #beat(): void {
    const socket = this.#socket;
    if (!socket) return;
    const sent = this.#sent;
    if (this.#echoes && sent && performance.now() - sent.since >= PATIENCE) {
      this.#lose('silence', sent.since, 'a WebSocket message was not sent back');
      this.#sent = undefined;
    }
    // A server that does not send texts back gets only one.
    if (!this.#sent) {
      this.#count += 1;
      this.#sent = { text: `endless drill ${this.#count}`, since: performance.now() };
      socket.send(this.#sent.text, () => {});
    }
    this.#timer = setTimeout(() => this.#beat(), BEAT);
  }

  #received(text: string): void {
    const sent = this.#sent;
    if (!sent || text !== sent.text) return;
    this.#echoes = true;
    this.#ledger.answer(sent.since);
    this.#sent = undefined;
  }

  #lose(kind: 'refused' | 'closed' | 'reset' | 'silence', since: number, detail = ''): void {
    this.#ledger.lose({ kind, since, detail, request: `WebSocket ${this.#path}`, answeredBefore: 0 });
  }
}

function urlOf({ tls, where }: Target, path: string): string {
  if ('path' in where) return `ws+unix:${where.path}:${path}`;
  const { host = 'localhost', port } = where;
  return `${tls ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
}
