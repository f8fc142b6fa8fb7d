import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { onTestFinished } from 'vitest';
import { until } from './program.js';

/** What the clients of a drill have met, in the words of its report. */
export interface Met {
  opened: number;
  requests: number;
  lostBy: Record<string, number>;
  closedIdle: number;
  toldToClose: number;
}

/**
 * Milliseconds after which a request gets nothing more: its client gives up at 5 s. What reached it at that moment might
 * count as silence or not.
 */
const LATE = 3_000;

/**
 * Stands between the clients of a drill and a server, passes on every byte and every end, and counts both by itself. A
 * connection to the server that is refused reaches the client as a reset, since the relay has accepted it already.
 */
export class Relay {
  readonly port: number;
  readonly met: Met = { opened: 0, requests: 0, lostBy: {}, closedIdle: 0, toldToClose: 0 };
  /** Connections that the server refused. */
  refused = 0;
  /** What this relay cannot read, or did not expect. */
  readonly strange: string[] = [];
  readonly links = new Set<Link>();

  private constructor(port: number) {
    this.port = port;
  }

  /** Starts a relay to a port of this machine; the test ends it. */
  static async to(server: number): Promise<Relay> {
    // Half open: a request that crosses the end of its connection still arrives, and is counted.
    const listener = createServer({ allowHalfOpen: true, noDelay: true });
    await once(listener.listen(0, '127.0.0.1'), 'listening');
    const relay = new Relay((listener.address() as AddressInfo).port);
    listener.on('connection', (client) => {
      relay.met.opened += 1;
      relay.links.add(new Link(relay, client, server));
    });
    onTestFinished(() => {
      listener.close();
      for (const link of relay.links) link.end();
    });
    return relay;
  }

  /** Resolves once each client has closed the connections whose end this relay has passed on. */
  async settled(): Promise<void> {
    // What has ended by now is read in the next turns.
    for (let turns = 0; turns < 5; turns += 1) await turn();
    await until(() => ![...this.links].some(({ isOver }) => isOver), 10_000);
  }

  /** Resolves once all clients have closed their connections. */
  async left(): Promise<void> {
    await until(() => this.links.size === 0, 10_000);
  }

  /** Counts a lost request. */
  lose(kind: string): void {
    this.met.lostBy[kind] = (this.met.lostBy[kind] ?? 0) + 1;
  }
}

/** One connection of a client, and that to the server. */
class Link {
  /** Whether the end of the connection to the server was passed on. */
  isOver = false;
  readonly #relay: Relay;
  readonly #client: Socket;
  readonly #port: number;
  #server: Socket | undefined;
  #request = '';
  /** The response so far; undefined if no request is in flight. */
  #response: string | undefined;
  /** When its request came. */
  #since = 0;
  /** Whether the client keeps the connection after this response. */
  #kept = false;

  constructor(relay: Relay, client: Socket, port: number) {
    this.#relay = relay;
    this.#client = client;
    this.#port = port;
    client.on('data', (chunk) => this.#asked(chunk.toString('latin1')));
    client.on('error', () => {});
    client.on('end', () => this.end());
    client.on('close', () => this.end());
  }

  /** The client is done with the connection. */
  end(): void {
    if (!this.#relay.links.delete(this)) return;
    if (this.#response !== undefined && !this.isOver) this.#relay.lose('silence');
    this.#client.destroy();
    this.#server?.destroy();
  }

  #asked(bytes: string): void {
    this.#request += bytes;
    if (!this.#request.endsWith('\r\n\r\n')) return;
    const request = this.#request;
    this.#request = '';
    this.#relay.met.requests += 1;
    if (this.#response !== undefined) this.#relay.strange.push(`a second request: ${request}`);
    this.#kept = !/\r\nConnection: close\r\n/.test(request);
    if (this.isOver) {
      // It has crossed the end of its connection, which was not idle then for the client.
      this.#relay.met.closedIdle -= 1;
      this.#relay.lose('closed');
      return;
    }
    this.#response = '';
    this.#since = performance.now();
    this.#server ??= this.#connect();
    this.#server.write(request, 'latin1');
  }

  /** Only for a request: a connection that asks nothing meets nothing. */
  #connect(): Socket {
    const server = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    server.on('data', (chunk) => this.#answered(chunk));
    server.on('error', ({ code = '' }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED') this.#relay.refused += 1;
      this.#ended(true);
    });
    server.on('end', () => this.#ended(false));
    return server;
  }

  get #isLate(): boolean {
    return this.#response !== undefined && performance.now() - this.#since > LATE;
  }

  #answered(chunk: Buffer): void {
    if (this.#isLate) return;
    this.#client.write(chunk);
    if (this.#response === undefined) this.#relay.strange.push(`bytes without a request: ${chunk}`);
    else this.#response += chunk.toString('latin1');
    const [, head = '', status = '', body = ''] =
      /^(HTTP\/1\.[01] (\d{3})[\s\S]*?\r\n)\r\n([\s\S]*)$/.exec(this.#response ?? '') ?? [];
    if (head === '') return;
    const [, length] = /\r\ncontent-length: *(\d+)\r\n/i.exec(head) ?? [];
    const isChunked = /\r\ntransfer-encoding: *chunked\r\n/i.test(head);
    if (length === undefined && !isChunked) this.#relay.strange.push(`a response without a length: ${head}`);
    if (isChunked ? !body.endsWith('\r\n0\r\n\r\n') : body.length < Number(length)) return;
    this.#response = undefined;
    if (Number(status) >= 500) this.#relay.lose(/^50[234]$/.test(status) ? status : '5xx');
    const closes = /\r\nconnection: *close\r\n/i.test(head) || head.startsWith('HTTP/1.0');
    if (closes && this.#kept) this.#relay.met.toldToClose += 1;
    if (closes) this.#kept = false;
  }

  /** The connection to the server has ended. */
  #ended(isReset: boolean): void {
    if (this.isOver || this.#isLate) return;
    this.isOver = true;
    const received = this.#response?.length;
    this.#response = undefined;
    if (received === 0 && isReset) {
      this.#relay.lose('reset');
      this.#client.resetAndDestroy();
      return;
    }
    if (received !== undefined) this.#relay.lose(received === 0 ? 'closed' : 'truncated');
    else if (this.#kept) this.#relay.met.closedIdle += 1;
    this.#client.end();
  }
}
