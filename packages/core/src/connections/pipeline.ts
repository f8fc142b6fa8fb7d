import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isCurrent } from '../node-private/http.js';

/**
 * The responses that wait behind the current one on their connection.
 *
 * Node.js shows only the response that a connection is writing. Responses behind it exist only if a client
 * pipelines, which few do, so that only such a client costs anything.
 */
export class Pipeline {
  readonly #waiting = new Map<Socket, ServerResponse[]>();

  /** Notes a response that came behind another one. */
  add(socket: Socket, response: ServerResponse): void {
    const known = this.#waiting.has(socket);
    this.#waiting.set(socket, [...this.behind(socket), response]);
    // Up to Node 22, a response that never got its connection emits nothing when that closes.
    if (!known) socket.once('close', () => this.#waiting.delete(socket));
  }

  /** The responses that wait on this connection, in order. */
  behind(socket: Socket): ServerResponse[] {
    return (this.#waiting.get(socket) ?? []).filter(
      (response) => !response.writableFinished && !response.destroyed && !isCurrent(socket, response),
    );
  }
}
