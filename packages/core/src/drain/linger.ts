import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { World } from '../world.js';

/** How long a client may go on sending a body that nobody reads before it is cut. */
const LINGER = 5_000;

/**
 * Lets a client that is still uploading read the response that closes its connection (RFC 9112, 9.6).
 *
 * Node destroys the socket once the response is out; with bytes unread in it the kernel answers with a reset, which may
 * overtake the response. So the sending side is closed first, and the rest of the body read and thrown away.
 */
export function lingerOverBody(socket: Socket, response: ServerResponse, world: World): void {
  const request: IncomingMessage = response.req;
  if (request.complete) return;
  const destroySoon = socket.destroySoon;
  socket.destroySoon = () => {
    if (request.complete || socket.destroyed) return destroySoon.call(socket);
    const end = () => {
      cancel();
      socket.destroy();
    };
    const cancel = world.after(LINGER, end);
    request.once('end', end).once('close', end);
    socket.once('end', end);
    socket.end();
    request.resume();
    socket.resume();
  };
}
