import type { Server as HttpServer, ServerResponse } from 'node:http';
import type { Http2Session } from 'node:http2';
import type { Server, Socket } from 'node:net';

/** The response that this connection is writing now, or undefined if no response is in flight. */
export function currentResponse(socket: Socket): ServerResponse | undefined {
  const message = (socket as unknown as { _httpMessage?: ServerResponse | null })._httpMessage;
  return message && !message.writableFinished ? message : undefined;
}

/** Whether this is the response that its connection writes now; if not, it waits behind another one. */
export function isCurrent(socket: Socket, response: ServerResponse): boolean {
  return (socket as unknown as { _httpMessage?: ServerResponse | null })._httpMessage === response;
}

/** Whether Node's HTTP/1 parser reads this connection; it does not read an upgraded one. */
export function speaksHttp(socket: Socket): boolean {
  return Boolean((socket as unknown as { parser?: unknown }).parser);
}

/**
 * The connections without an in-flight request by Node's list, which `closeIdleConnections` would destroy. A
 * server that has never listened has no list. (Why not by public names:
 * docs/decisions/017-no-new-shapes-on-the-request-path.md.)
 */
export function betweenRequests(server: Server): Socket[] {
  kConnections ??= Object.getOwnPropertySymbols(server).find(
    ({ description }) => description === 'http.server.connections',
  );
  const list =
    kConnections && (server as unknown as Record<symbol, ConnectionsList | undefined>)[kConnections];
  return list ? list.idle().map(({ socket }) => socket) : [];
}

/** The C++ side of an HTTP server's list of connections; it lists their parsers. */
interface ConnectionsList {
  idle(): { socket: Socket }[];
}

let kConnections: symbol | undefined;

/**
 * The socket below an HTTP/2 session.
 *
 * Node's `session.socket` is a proxy that does not allow writes. It passes listener methods on to the socket
 * itself, and they return that socket.
 */
export function transportOf(session: Http2Session): Socket {
  return session.socket.off('close', () => {}) as Socket;
}

/** Limits the request head of an existing server: Node documents it only as an option of `createServer`. */
export function limitHead(server: HttpServer, bytes: number): void {
  (server as unknown as { maxHeaderSize: number }).maxHeaderSize = bytes;
}

/** Sets how often a server that does not listen yet will look for late requests; also such an option. */
export function checkTimeoutsEvery(server: HttpServer, ms: number): void {
  (server as unknown as { connectionsCheckingInterval: number }).connectionsCheckingInterval = ms;
}

/**
 * Puts a connection on which nothing has been read into the state between two requests. Calls `onNext` when
 * the head of the next request is complete.
 *
 * Before its first request Node takes a connection for a slow one: after `headersTimeout` the client gets a
 * 408 without a request. So the parser reads a request that goes nowhere.
 */
export function restBetweenRequests(socket: Socket, onNext: () => unknown): void {
  const { parser } = socket as unknown as { parser: HttpParser };
  const { onIncoming } = parser;
  parser.onIncoming = () => 0;
  parser.execute(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
  parser.incoming = null;
  parser.onIncoming = (...message) => {
    parser.onIncoming = onIncoming;
    onNext();
    return onIncoming(...message);
  };
}

interface HttpParser {
  /** The request that is being read. */
  incoming: unknown;
  /** Handles each request whose head has been read. */
  onIncoming(...message: unknown[]): unknown;
  execute(bytes: Buffer): unknown;
}
