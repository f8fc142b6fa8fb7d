import { Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server, Socket } from 'node:net';
import { isTlsServer } from '../builtin.js';
import { type Asked, type Bound, boundOf } from '../listen/address.js';
import { isCurrent } from '../node-private/http.js';
import { AppClose } from './app-close.js';
import { Pipeline } from './pipeline.js';

/**
 * A server that endless looks after, and the connections that it holds.
 *
 * It keeps only connections, never requests: endless reads the state of a request off its connection when it
 * needs it. So without a restart, a server costs a `Set` entry per connection and nothing per request.
 */
export class TrackedServer {
  readonly server: Server;
  /** The address as the program asked for it. */
  readonly asked: Asked | undefined;
  /** Where it is bound. */
  readonly bound: Bound | undefined;
  /** How many connections may wait to be accepted. */
  readonly backlog: number;
  /** The accepted sockets, below TLS where there is TLS. */
  readonly sockets = new Set<Socket>();
  /** The TLS sockets on top of them whose handshake is done. */
  readonly secured = new Set<Socket>();
  /** The HTTP/2 sessions. */
  readonly sessions = new Set<ServerHttp2Session>();
  /** The HTTP/2 streams: each is one request. */
  readonly streams = new Map<ServerHttp2Stream, IncomingHttpHeaders>();
  /** The responses in flight behind the one that a connection is writing, if a client pipelines. */
  readonly pipeline = new Pipeline();
  /** What the application's own `server.close()` does. */
  readonly appClose: AppClose;
  /** When the requests that arrived during a drain arrived; earlier ones are not timed. */
  readonly arrivals = new WeakMap<object, number>();
  /** Whether it has had a connection. */
  used = false;
  /** Whether no other code may close its idle connections, because a request may be on its way into them. */
  idleProtected = false;
  /**
   * Called with every response before the listeners of its request. It is not a listener itself:
   * docs/decisions/017-no-new-shapes-on-the-request-path.md.
   */
  onRequest: ((response: ServerResponse) => void) | undefined;
  readonly #onEmpty: () => void;
  readonly #undo: (() => void)[] = [];

  /** `closesWait`: whether a close by the application has to wait, because a restart is under way. */
  constructor(
    server: Server,
    asked: Asked | undefined,
    backlog: number,
    onEmpty: () => void,
    closesWait: () => boolean = () => false,
  ) {
    this.server = server;
    this.asked = asked;
    this.backlog = backlog;
    this.bound = boundOf(server);
    this.#onEmpty = onEmpty;
    this.appClose = new AppClose(server, closesWait);
    this.#undo.push(() => this.appClose.forget());
    this.#collect('connection', this.sockets);
    this.#collect('secureConnection', this.secured);
    this.#collect('session', this.sessions);
    if (this.http) this.#guardIdle();
    if (this.hearsRequests) this.#watchPipelining();
    this.#listen('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      this.streams.set(stream, headers);
      stream.once('close', () => this.streams.delete(stream));
    });
  }

  /** Whether the server speaks TLS. */
  get secure(): boolean {
    return isTlsServer(this.server);
  }

  /** Whether the server speaks HTTP/1, alone or beside HTTP/2. */
  get http(): boolean {
    return this.server instanceof HttpServer || 'closeIdleConnections' in this.server;
  }

  /** Whether the server speaks HTTP/2. */
  get http2(): boolean {
    return 'updateSettings' in this.server;
  }

  /** Whether a listener for its requests changes nothing: the first one on HTTP/2 would add a layer. */
  get hearsRequests(): boolean {
    return this.http && (!this.http2 || this.server.listenerCount('request') > 0);
  }

  /** The sockets that carry the protocol of the server. */
  get carriers(): ReadonlySet<Socket> {
    return this.secure ? this.secured : this.sockets;
  }

  /** Whether no connection is left. */
  get empty(): boolean {
    return this.sockets.size === 0 && this.sessions.size === 0;
  }

  /** Looks after a connection that was accepted before endless knew the server. */
  adopt(socket: Socket): void {
    if (socket.destroyed || this.carriers.has(socket)) return;
    // Node.js may not show the socket below TLS; for draining, the one on top of it is enough.
    const add = (set: Set<Socket>) => {
      set.add(socket);
      socket.once('close', () => {
        set.delete(socket);
        if (this.empty) this.#onEmpty();
      });
    };
    add(this.sockets);
    if (this.secure) add(this.secured);
  }

  /** Forgets the server: removes every listener again. */
  forget(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #collect<Item extends Socket | ServerHttp2Session>(event: string, into: Set<Item>): void {
    const tracked = this;
    // One closure per server and none per connection: `once` would wrap it for each, and each closes once.
    function remove(this: Item) {
      into.delete(this);
      if (tracked.empty) tracked.#onEmpty();
    }
    this.#listen(event, (item: Item) => {
      this.used = true;
      into.add(item);
      (item as Socket).on('close', remove as () => void);
    });
  }

  /**
   * Puts {@link idleProtected} in front of the method that closes idle connections, which `http.Server.close`
   * calls too. It is there from the start: docs/decisions/017-no-new-shapes-on-the-request-path.md.
   */
  #guardIdle(): void {
    const { server } = this;
    const name = 'closeIdleConnections';
    const own = Object.getOwnPropertyDescriptor(server, name);
    const cut: () => void = Reflect.get(server, name);
    const value = () => {
      if (!this.idleProtected) cut.call(server);
    };
    Object.defineProperty(server, name, { value, configurable: true, writable: true });
    this.#undo.push(() => {
      if (Reflect.get(server, name) !== value) return;
      if (own) Object.defineProperty(server, name, own);
      else Reflect.deleteProperty(server, name);
    });
  }

  #watchPipelining(): void {
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      // These comparisons are all that a request costs.
      this.onRequest?.(response);
      if (!isCurrent(request.socket, response) && request.httpVersionMajor < 2)
        this.pipeline.add(request.socket, response);
    };
    this.server.prependListener('request', onRequest);
    this.#undo.push(() => this.server.off('request', onRequest));
  }

  // biome-ignore lint/suspicious/noExplicitAny: a server's events differ in their arguments.
  #listen(event: string, listener: (...args: any[]) => void): void {
    const { server } = this;
    server.on(event, listener);
    this.#undo.push(() => server.off(event, listener));
  }
}
