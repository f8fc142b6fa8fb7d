import type { Socket } from 'node:net';
import type { World } from '../world.js';

/** How long a client may go on sending what nobody reads before it is cut. */
const LINGER = 5_000;

/**
 * Closes a connection in stages where its client may still be sending (RFC 9112, 9.6).
 *
 * Node destroys the socket once the last response is out; to bytes that are unread then, or that come after, the kernel
 * answers with a reset, which may overtake the response. So the sending side is closed first, and what comes until the
 * client closes its own is read and thrown away.
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
