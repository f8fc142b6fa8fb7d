import { connect as connectTcp, type Socket, type TcpNetConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Ledger } from './ledger.js';
import { type LossKind, lossOfStatus, PATIENCE } from './losses.js';
import { BadResponse, ResponseParser } from './response-parser.js';
import { serverName, type Target, type TargetRequest } from './target.js';

/** What a client shares with the others. */
export interface ClientContext {
  target: Target;
  ledger: Ledger;
  /** The next request, or undefined if there is no further one. */
  take(): TargetRequest | undefined;
  /** Milliseconds between a response and the next request. */
  pause(): number;
  /** The client is done, and has closed its connection. */
  retired(): void;
}

interface Exchange {
  request: TargetRequest;
  parser: ResponseParser;
  since: number;
  /** Whether a byte of the request has been written. */
  sent: boolean;
}

/**
 * A client that forgives nothing: a raw socket, one request at a time, and no retry. A connection that ends
 * between the first byte of a request and the last byte of its response is a loss.
 */
export class Client {
  readonly #context: ClientContext;
  /** Whether it opens a connection for each request. */
  readonly #fresh: boolean;
  #socket: Socket | undefined;
  #exchange: Exchange | undefined;
  /** The last request on this connection, whose response is whole. */
  #last: Exchange | undefined;
  #answered = 0;
  #timer: NodeJS.Timeout | undefined;
  /** `leaves`: it opens no further connection. `stops`: it sends no further request. */
  #state: 'stays' | 'leaves' | 'stops' | 'retired' = 'stays';

  constructor(context: ClientContext, fresh: boolean) {
    this.#context = context;
    this.#fresh = fresh;
  }

  /** Sends the first request after so many milliseconds. */
  start(after: number): void {
    this.#later(after);
  }

  /** Ends the client after its request in flight. */
  stop(): void {
    if (this.#state !== 'retired') this.#state = 'stops';
    if (!this.#exchange) this.#retire();
  }

  /** Opens no further connection: the client ends when the server closes the one that it has. */
  leave(): void {
    if (this.#state === 'stays') this.#state = 'leaves';
    this.#maybeRetire();
  }

  /** Whether it opens no connection now. */
  get settled(): boolean {
    return this.#state === 'retired' || (!this.#fresh && this.#answered > 0);
  }

  /** Counts the request in flight as lost if its time is over. */
  sweep(now: number): void {
    if (this.#exchange && now - this.#exchange.since >= PATIENCE)
      this.#lose('silence', `${this.#exchange.parser.received} bytes in ${PATIENCE} ms`);
  }

  #later(ms: number): void {
    // What has arrived is read first: a connection that has ended by then carries no further request.
    this.#timer = setTimeout(() => setImmediate(() => this.#next()), ms);
  }

  #next(): void {
    if (this.#state === 'retired') return;
    const request = this.#goesOn ? this.#context.take() : undefined;
    if (!request) {
      this.#retire();
      return;
    }
    const parser = new ResponseParser(request.method);
    this.#exchange = { request, parser, since: performance.now(), sent: false };
    if (this.#socket) this.#send();
    else this.#open();
  }

  #open(): void {
    const { target, ledger } = this.#context;
    const where = { ...target.where, noDelay: true } as TcpNetConnectOpts;
    // A drill judges restarts, and not certificates.
    const socket = target.tls
      ? connectTls({ ...where, ...serverName(target.authority), rejectUnauthorized: false })
      : connectTcp(where);
    this.#socket = socket;
    this.#answered = 0;
    this.#last = undefined;
    ledger.opened += 1;
    // A socket that was given up may still emit.
    const mine = <Args extends unknown[]>(listener: (...args: Args) => void) => {
      return (...args: Args) => {
        if (this.#socket === socket) listener(...args);
      };
    };
    socket.on(
      target.tls ? 'secureConnect' : 'connect',
      mine(() => this.#send()),
    );
    socket.on(
      'data',
      mine((chunk: Buffer) => this.#received(chunk)),
    );
    socket.on(
      'error',
      mine((error: NodeJS.ErrnoException) => this.#failed(error)),
    );
    for (const event of ['end', 'close'])
      socket.on(
        event,
        mine(() => this.#ended()),
      );
  }

  #send(): void {
    const exchange = this.#exchange;
    if (!exchange) return;
    exchange.sent = true;
    this.#socket?.write(this.#fresh ? exchange.request.fresh : exchange.request.kept);
  }

  #received(chunk: Buffer): void {
    const exchange = this.#exchange;
    try {
      if (!exchange) this.#unasked(chunk);
      else if (exchange.parser.push(chunk)) this.#finish(exchange);
    } catch (error) {
      if (error instanceof BadResponse) this.#lose(error.kind, error.message);
      else throw error;
    }
  }

  /** Bytes between two requests: a server that closes an idle connection may send a 408. */
  #unasked(chunk: Buffer): void {
    const last = this.#last;
    if (last && !/^HTTP\/1\.[01] 408/.test(chunk.toString('latin1', 0, 12))) {
      const { request, since } = last;
      this.#context.ledger.revoke({
        ...{ kind: 'wrong-length', detail: `${chunk.length} bytes after the end of the response`, since },
        ...{ request: nameOf(request), answeredBefore: this.#answered - 1 },
      });
      this.#drop();
      this.#maybeRetire();
    } else this.#closedIdle();
  }

  #ended(): void {
    const exchange = this.#exchange;
    if (!exchange) this.#closedIdle();
    else if (exchange.sent && exchange.parser.end()) this.#finish(exchange);
    else {
      const { received } = exchange.parser;
      this.#lose(received === 0 ? 'closed' : 'truncated', `the connection closed after ${received} bytes`);
    }
  }

  #failed({ code = '', message }: NodeJS.ErrnoException): void {
    const detail = code || message;
    if (!this.#exchange) this.#closedIdle();
    else if (this.#exchange.sent || code === 'ECONNRESET' || code === 'EPIPE') this.#lose('reset', detail);
    else this.#lose(code === 'ECONNREFUSED' || code === 'ENOENT' ? 'refused' : 'unreachable', detail);
  }

  #closedIdle(): void {
    this.#context.ledger.current.closedIdle += 1;
    this.#drop();
    this.#maybeRetire();
  }

  #finish(exchange: Exchange): void {
    const { parser, since } = exchange;
    const status = parser.head?.status ?? 0;
    const kind = lossOfStatus(status);
    if (kind) {
      // The connection stays: a server error does not end it.
      this.#count(kind, `status ${status}`);
    } else this.#context.ledger.answer(since);
    this.#exchange = undefined;
    this.#last = kind ? undefined : exchange;
    this.#answered += 1;
    if (this.#fresh) this.#drop();
    else if (!parser.keepsAlive || (this.#socket?.writableLength ?? 0) > 0) {
      this.#context.ledger.current.toldToClose += 1;
      this.#drop();
    }
    this.#continue();
  }

  #lose(kind: LossKind, detail: string): void {
    this.#count(kind, detail);
    this.#exchange = undefined;
    this.#drop();
    this.#continue();
  }

  #count(kind: LossKind, detail: string): void {
    const { request, since } = this.#exchange as Exchange;
    const answeredBefore = this.#answered;
    this.#context.ledger.lose({ kind, detail, since, request: nameOf(request), answeredBefore });
  }

  #continue(): void {
    if (this.#goesOn) this.#later(this.#context.pause());
    else this.#retire();
  }

  get #goesOn(): boolean {
    return this.#state === 'stays' || (this.#state === 'leaves' && this.#socket !== undefined);
  }

  #maybeRetire(): void {
    if (!this.#exchange && !this.#goesOn) this.#retire();
  }

  #drop(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #retire(): void {
    if (this.#state === 'retired') return;
    this.#state = 'retired';
    clearTimeout(this.#timer);
    this.#drop();
    this.#context.retired();
  }
}

function nameOf({ method, path }: TargetRequest): string {
  return `${method} ${path}`;
}
