import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { inFlight, isPipelined } from './activity.js';
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
  const last = new WeakMap<Socket, ServerResponse>();

  /** Marks the response that is being written if nothing waits behind it, else looks again when it is done. */
  const markCurrent = (socket: Socket) => {
    const response = inFlight(socket);
    if (!response) return;
    if (isPipelined(socket, response)) response.once('close', () => markCurrent(socket));
    else mark(socket, response);
  };

  const mark = (socket: Socket, response: ServerResponse) => {
    // Once the head is out the client was promised keep-alive: its next response, or the idle grace, ends it.
    if (response.headersSent || !response.shouldKeepAlive) return;
    response.shouldKeepAlive = false;
    last.set(socket, response);
  };

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    if (request.httpVersionMajor >= 2) return;
    const { socket } = request;
    const earlier = last.get(socket);
    // A pipelined request has come behind the marked one: the mark moves on to it.
    if (earlier && !earlier.headersSent) earlier.shouldKeepAlive = true;
    mark(socket, response);
  };

  const server = tracked.server as HttpServer;
  // A listener of these two changes what Node does, so they are joined only where the application listens.
  const events = ['request', 'checkContinue', 'checkExpectation'].filter(
    (event) => event === 'request' || server.listenerCount(event) > 0,
  );
  for (const event of events) server.prependListener(event, onRequest);
  for (const socket of tracked.carriers) markCurrent(socket);
  return () => {
    for (const event of events) server.off(event, onRequest);
  };
}
