import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { World } from '../world.js';
import { inFlight } from './activity.js';
import { lingerOverBody } from './linger.js';
import type { TrackedServer } from './tracked-server.js';

/**
 * Tells the HTTP/1.1 clients of a server, with their next response, that it is the last on this connection; returns the
 * undo.
 *
 * A connection is closed only after a response that said so: then no request can cross the close. The mark is the
 * property `shouldKeepAlive` and not a header, because Koa's error path strips headers, and it goes on the last response
 * of a connection only, because whatever is behind a closing one is dropped.
 */
export function sayFarewell(tracked: TrackedServer, world: World): () => void {
  const marked = new WeakMap<Socket, ServerResponse>();

  const mark = (socket: Socket, response: ServerResponse) => {
    const earlier = marked.get(socket);
    // A pipelined request has come behind the marked one: the mark moves on to it.
    if (earlier && !earlier.headersSent) earlier.shouldKeepAlive = true;
    // Once the head is out the client was promised keep-alive: its next response, or the idle grace, ends it.
    if (response.headersSent || !response.shouldKeepAlive) return;
    response.shouldKeepAlive = false;
    insist(response);
    lingerOverBody(socket, response, world);
    marked.set(socket, response);
  };

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    if (request.httpVersionMajor >= 2) return;
    tracked.arrivals.set(response, world.now());
    mark(request.socket, response);
  };

  const server = tracked.server as HttpServer;
  // A first listener of these changes what Node does, so they are joined only where the application listens.
  const events = ['checkContinue', 'checkExpectation'].filter((event) => server.listenerCount(event) > 0);
  if (tracked.hearsRequests) events.push('request');
  for (const event of events) server.prependListener(event, onRequest);
  for (const socket of tracked.carriers) {
    const last = inFlight(tracked, socket).at(-1);
    if (last) mark(socket, last);
  }
  return () => {
    for (const event of events) server.off(event, onRequest);
  };
}

type Headers = Record<string, unknown> | unknown[];

/** A `Connection: keep-alive` that a proxy copies from its upstream would win over the mark: it is replaced in the head. */
function insist(response: ServerResponse): void {
  const writeHead = response.writeHead as (...args: unknown[]) => ServerResponse;
  response.writeHead = ((status: number, ...rest: unknown[]) => {
    if (!response.shouldKeepAlive) {
      const at = rest.findIndex((arg) => typeof arg === 'object' && arg !== null);
      const given = rest[at] as Headers | undefined;
      if (given && namesConnection(given)) rest[at] = withoutConnection(given);
      if (response.hasHeader('connection') || (given && namesConnection(given)))
        response.setHeader('Connection', 'close');
    }
    return writeHead.call(response, status, ...rest);
  }) as typeof response.writeHead;
}

const isConnection = (name: unknown) => typeof name === 'string' && name.toLowerCase() === 'connection';

function namesConnection(headers: Headers): boolean {
  if (!Array.isArray(headers)) return Object.keys(headers).some(isConnection);
  return headers.some((entry) => isConnection(Array.isArray(entry) ? entry[0] : entry));
}

/** Headers come as an object, as pairs, or flat: name, value, name, value. */
function withoutConnection(headers: Headers): Headers {
  if (!Array.isArray(headers))
    return Object.fromEntries(Object.entries(headers).filter(([name]) => !isConnection(name)));
  if (Array.isArray(headers[0])) return headers.filter((pair) => !isConnection((pair as unknown[])[0]));
  return headers.filter((_, at) => !isConnection(headers[at - (at % 2)]));
}
