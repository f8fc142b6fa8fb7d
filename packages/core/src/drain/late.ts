import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { TrackedServer } from '../connections/tracked-server.js';

/** Seconds after which a rejected client may try again. */
export const RETRY_AFTER = 1;

/**
 * Answers every late request of a plain server with a 503, in place of the application; returns the undo.
 *
 * An adapter lets its framework answer instead, with the application's own error handlers.
 */
export function rejectLate(tracked: TrackedServer): () => void {
  const server = tracked.server as HttpServer;
  const own = server.listeners('request') as ((request: IncomingMessage, response: ServerResponse) => void)[];
  const reject = (_request: IncomingMessage, response: ServerResponse) => {
    response.writeHead(503, {
      Connection: 'close',
      'Retry-After': RETRY_AFTER,
      'Content-Type': 'text/plain',
    });
    response.end('The server is restarting.\n');
  };
  for (const listener of own) server.off('request', listener);
  server.on('request', reject);
  return () => {
    server.off('request', reject);
    for (const listener of own) server.on('request', listener);
  };
}
