import net from 'node:net';
import tls from 'node:tls';
import type { LoadLedger } from './load-ledger.js';
import type { LoadOptions, LoadRequest, LoadResponse, LossReason } from './load-types.js';
import { requestBytes } from './request-bytes.js';
import { type ResponseHead, ResponseParser } from './response-parser.js';

/** The parts of its load that a worker uses. */
export interface WorkerContext {
  options: LoadOptions;
  ledger: LoadLedger;
  /** Returns the next request, or undefined when the load ends. */
  take(): { n: number; request: LoadRequest } | undefined;
  /** Called once, when the worker has closed its connection for good. */
  retired(): void;
}

interface Connection {
  socket: net.Socket;
  parser: ResponseParser;
  openedAt: number;
  answered: number;
  lastLabel: string | undefined;
}

interface Exchange {
  n: number;
  request: LoadRequest;
  startedAt: number;
  /** Whether a byte of the request has been written. */
  written: boolean;
}

/** One client: one connection and one request at a time, without a retry. */
export class LoadWorker {
  readonly #context: WorkerContext;
  readonly #timeout: number;
  readonly #keepBody: boolean;
  #connection: Connection | undefined;
  #exchange: Exchange | undefined;
  #pause: NodeJS.Timeout | undefined;
  #stopping = false;
  #isRetired = false;

  constructor(context: WorkerContext) {
    const { timeout, label, check, onResponse } = context.options;
    this.#context = context;
    this.#timeout = timeout ?? DEFAULT_TIMEOUT;
    this.#keepBody = Boolean(label ?? check ?? onResponse);
  }

  /** Begins the next request, if there is one. */
  next(): void {
    this.#pause = undefined;
    const taken = this.#stopping ? undefined : this.#context.take();
    if (!taken) {
      this.#retire();
      return;
    }
    this.#exchange = { ...taken, startedAt: performance.now(), written: false };
    if (this.#connection) this.#send(this.#connection);
    else this.#open();
  }

  /** Stops after the request in flight, or at once between two requests. */
  stop(): void {
    this.#stopping = true;
    if (this.#exchange) return;
    clearTimeout(this.#pause);
    this.#retire();
  }

  /** Gives the request in flight up if its time is over. */
  sweep(now: number): void {
    if (this.#exchange && now - this.#exchange.startedAt >= this.#timeout) {
      this.#lose('timeout', `no whole answer in ${this.#timeout} ms`);
    }
  }

  #open(): void {
    const { host = '127.0.0.1', port, path, tls: options } = this.#context.options;
    const where = path === undefined ? { host, port: port ?? 0, noDelay: true } : { path };
    const socket = options ? tls.connect({ ...where, ...options }) : net.connect(where);
    const connection: Connection = {
      socket,
      parser: new ResponseParser(),
      openedAt: performance.now(),
      answered: 0,
      lastLabel: undefined,
    };
    this.#connection = connection;
    this.#context.ledger.opened++;
    // An abandoned connection may still emit: its listeners stay, so that no event throws, and do nothing.
    const on = <Args extends unknown[]>(event: string, listener: (...args: Args) => void) =>
      socket.on(event, (...args: Args) => {
        if (this.#connection === connection) listener(...args);
      });
    on(options ? 'secureConnect' : 'connect', () => this.#send(connection));
    on('data', (chunk: Buffer) => this.#received(connection, chunk));
    on('end', () => this.#ended(connection));
    on('error', (error: NodeJS.ErrnoException) => this.#failed(error));
    on('close', () => this.#ended(connection));
  }

  #send({ socket, parser }: Connection): void {
    const exchange = this.#exchange;
    if (!exchange) return;
    const { host = '127.0.0.1', port, path, mode } = this.#context.options;
    const authority = path === undefined ? `${host}:${port}` : 'localhost';
    parser.expect(exchange.request.method ?? 'GET', this.#keepBody);
    exchange.written = true;
    socket.write(requestBytes(exchange.request, authority, mode === 'new-connection'));
  }

  #received(connection: Connection, chunk: Buffer): void {
    let whole: boolean;
    try {
      whole = connection.parser.push(chunk);
    } catch (error) {
      this.#lose('malformed', error instanceof Error ? error.message : String(error));
      return;
    }
    if (whole) this.#finish(connection);
  }

  #ended(connection: Connection): void {
    if (!this.#exchange) {
      this.#idleEnd();
      return;
    }
    if (connection.parser.end()) this.#finish(connection);
    else this.#lose('ended', 'the server ended the connection');
  }

  #failed(error: NodeJS.ErrnoException): void {
    const code = error.code ?? error.message;
    if (!this.#exchange) this.#idleEnd();
    else if (this.#exchange.written) this.#lose('reset', code);
    else this.#lose(code === 'ECONNREFUSED' || code === 'ENOENT' ? 'refused' : 'connect-failed', code);
  }

  #idleEnd(): void {
    this.#context.ledger.idleClosed++;
    this.#dropConnection();
  }

  #finish(connection: Connection): void {
    const exchange = this.#exchange;
    const { parser, socket } = connection;
    const head = parser.head;
    if (!exchange || !head) return;
    const { options, ledger } = this.#context;
    const response = toResponse(exchange, head, parser);
    if (head.status >= 500) {
      this.#lose('5xx', `status ${head.status}`);
      return;
    }
    const wrong = options.check?.(response);
    if (wrong !== undefined) {
      this.#lose('wrong', wrong);
      return;
    }

    this.#exchange = undefined;
    connection.answered++;
    connection.lastLabel = ledger.answer(response);
    // An answer that came before the whole request was written leaves the rest of it on the connection.
    const reusable = parser.keepsAlive && socket.writableLength === 0;
    if (options.mode === 'new-connection') this.#dropConnection();
    else if (!reusable) {
      ledger.toldToClose++;
      this.#dropConnection();
    }
    this.#after(options.thinkTime?.() ?? 0);
  }

  #lose(reason: LossReason, detail: string): void {
    const { options, ledger } = this.#context;
    const connection = this.#connection;
    ledger.lose({
      reason,
      detail,
      method: this.#exchange?.request.method ?? 'GET',
      target: this.#exchange?.request.target ?? '(none)',
      connectionAge: connection ? performance.now() - connection.openedAt : 0,
      answeredBefore: connection?.answered ?? 0,
      lastLabel: connection?.lastLabel,
      received: connection?.parser.received ?? 0,
      localPort: connection?.socket.localPort,
    });
    const wasIdle = !this.#exchange;
    this.#exchange = undefined;
    this.#dropConnection();
    // Between two requests the pause that leads to the next one is already running.
    if (!wasIdle) this.#after(options.lossPause ?? DEFAULT_LOSS_PAUSE);
  }

  #after(ms: number): void {
    if (ms > 0 && !this.#stopping) this.#pause = setTimeout(() => this.next(), ms);
    else this.next();
  }

  #dropConnection(): void {
    this.#connection?.socket.destroy();
    this.#connection = undefined;
  }

  #retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#dropConnection();
    this.#context.retired();
  }
}

const DEFAULT_TIMEOUT = 5000;
const DEFAULT_LOSS_PAUSE = 20;

function toResponse(exchange: Exchange, head: ResponseHead, parser: ResponseParser): LoadResponse {
  return {
    n: exchange.n,
    request: exchange.request,
    status: head.status,
    headers: head.headers,
    body: parser.body,
    latencyMs: performance.now() - exchange.startedAt,
  };
}
