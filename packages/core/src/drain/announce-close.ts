import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { inFlight } from '../connections/activity.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import { isCurrent } from '../node-private/http.js';
import type { World } from '../world.js';
import { lingeringClose } from './lingering-close.js';

/** The events with which a request arrives. */
const REQUEST_EVENTS = ['request', 'checkContinue', 'checkExpectation'];

/**
 * Announces to the HTTP/1.1 clients of a server, with their next response, that it is the last on this
 * connection; returns the undo.
 *
 * endless closes a connection only after a response that announced it: then no request can cross the close.
 * The mark is the property `shouldKeepAlive` and not a header, because Koa's error path strips headers. It
 * goes on the last response of a connection only, because a response behind a closing one is dropped.
 *
 * A client that pipelines may have sent more. What arrives in one piece is parsed request by request, and
 * each could be answered before the next is seen. So requests reach the application a tick later, when all of
 * them are known. A request behind a response that announced the close does not run (RFC 9112, 9.6); its
 * client gets no answer and sends it again.
 */
export function announceClose(tracked: TrackedServer, world: World): () => void {
  const marked = new WeakMap<Socket, ServerResponse>();
  const pipelining = new WeakSet<Socket>();

  const mark = (socket: Socket, response: ServerResponse) => {
    const earlier = marked.get(socket);
    // A pipelined request has come behind the marked one: the mark moves on to it.
    if (earlier && !earlier.headersSent) earlier.shouldKeepAlive = true;
    // The head has promised keep-alive: the next response, or the idle grace, closes the connection.
    if (response.headersSent || !response.shouldKeepAlive) return;
    response.shouldKeepAlive = false;
    insist(response);
    if (!earlier)
      lingeringClose(
        socket,
        () => pipelining.has(socket) || marked.get(socket)?.req.complete === false,
        world,
      );
    marked.set(socket, response);
  };
  const hasSaidClose = (socket: Socket) => marked.get(socket)?.headersSent === true;

  const hold = (emit: Emit): Emit =>
    function (this: unknown, event, ...args) {
      const [request, response] = args as [IncomingMessage, ServerResponse];
      if (!REQUEST_EVENTS.includes(event) || request.httpVersionMajor >= 2)
        return emit.call(this, event, ...args);
      const { socket } = request;
      if (!isCurrent(socket, response)) pipelining.add(socket);
      if (hasSaidClose(socket)) {
        pipelining.add(socket);
        return true;
      }
      tracked.arrivals.set(response, world.now());
      mark(socket, response);
      process.nextTick(() => emit.call(this, event, ...args));
      return true;
    };

  const server = tracked.server as { emit: Emit };
  const emit = server.emit;
  const holding = hold(emit);
  if (tracked.hearsRequests) server.emit = holding;
  for (const socket of tracked.carriers) {
    const last = inFlight(tracked, socket).at(-1);
    if (last) mark(socket, last);
  }
  return () => {
    if (server.emit === holding) server.emit = emit;
  };
}

type Emit = (this: unknown, event: string, ...args: unknown[]) => boolean;
type Headers = Record<string, unknown> | unknown[];

/** Replaces a `Connection: keep-alive` that a proxy copies from its upstream: it would override the mark. */
function insist(response: ServerResponse): void {
  const writeHead = response.writeHead as (...args: unknown[]) => ServerResponse;
  response.writeHead = ((status: number, ...rest: unknown[]) => {
    if (!response.shouldKeepAlive) {
      const at = rest.findIndex((arg) => typeof arg === 'object' && arg !== null);
      if (at >= 0) rest[at] = withClose(rest[at] as Headers);
      if (response.hasHeader('connection')) response.setHeader('Connection', 'close');
    }
    return writeHead.call(response, status, ...rest);
  }) as typeof response.writeHead;
}

const isConnection = (name: unknown) => typeof name === 'string' && name.toLowerCase() === 'connection';

/** Headers are an object, pairs, or flat: name, value, name, value. Node.js refuses invalid ones later. */
function withClose(headers: Headers): Headers {
  const close = ([name, value]: readonly [unknown, unknown]) => [name, isConnection(name) ? 'close' : value];
  if (!Array.isArray(headers)) return Object.fromEntries(Object.entries(headers).map(close));
  if (Array.isArray(headers[0])) return headers.map((pair) => close(pair as [unknown, unknown]));
  return headers.map((value, at) => (at % 2 === 1 && isConnection(headers[at - 1]) ? 'close' : value));
}
