import type { Socket } from 'node:net';
import type { World } from '../world.js';

/** How long a client may go on sending bytes that are thrown away, before its connection is destroyed. */
const LINGER = 5_000;

/**
 * Closes a connection in stages if its client may still be sending (RFC 9112, 9.6).
 *
 * Node.js destroys the socket once the last response is out. If bytes are unread then, or come after, the
 * kernel answers with a reset, which may overtake the response. So endless first closes the sending side. It
 * reads and throws away what comes until the client closes its own side.
 */
export function lingeringClose(socket: Socket, maySend: () => boolean, world: World): void {
  const destroySoon = socket.destroySoon;
  socket.destroySoon = () => {
    if (socket.destroyed || !maySend()) return destroySoon.call(socket);
    const cut = () => socket.destroy();
    const cancel = world.after(LINGER, cut);
    socket.once('end', cut).once('close', cancel);
    socket.end();
    socket.resume();
  };
}
