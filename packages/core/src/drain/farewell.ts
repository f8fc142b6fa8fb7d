import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { inFlight } from './activity.js';
import type { TrackedServer } from './tracked-server.js';

/**
 * Tells the HTTP/1.1 clients of a server, with their next response, that it is the last on this connection; returns the
 * undo.
 *
 * A connection is closed only after a response that said so: then no request can cross the close. The mark is the
 * property `shouldKeepAlive` and not a header, because Koa's error path strips headers, and it goes on the last response
 * of a connection only, because whatever is behind a closing one is dropped.
 */
export function sayFarewell(tracked: TrackedServer): () => void {
  const marked = new WeakMap<Socket, ServerResponse>();

  const mark = (socket: Socket, response: ServerResponse) => {
    const earlier = marked.get(socket);
    // A pipelined request has come behind the marked one: the mark moves on to it.
    if (earlier && !earlier.headersSent) earlier.shouldKeepAlive = true;
    // Once the head is out the client was promised keep-alive: its next response, or the idle grace, ends it.
    if (response.headersSent || !response.shouldKeepAlive) return;
    response.shouldKeepAlive = false;
    marked.set(socket, response);
  };

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    if (request.httpVersionMajor < 2) mark(request.socket, response);
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
