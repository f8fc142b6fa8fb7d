import type { Server } from 'node:net';
import { onListeningHandle } from '../node-private.js';

/** The servers of a candidate on addresses that it does not inherit. */
export class Newcomers {
  /** What makes each of them listen. */
  readonly #held = new Map<Server, () => number>();

  /** Lets a server bind its address, and listen on it only when the gates open. */
  holdBack(server: Server): void {
    onListeningHandle(server, (handle) => {
      const { listen } = handle;
      handle.listen = (backlog) => {
        // libuv keeps a bind error for the next call.
        const errno = handle.getsockname?.({}) ?? 0;
        if (errno !== 0) return errno;
        this.#held.set(server, () => {
          handle.listen = listen;
          return handle.listen(backlog);
        });
        server.once('close', () => this.#held.delete(server));
        return 0;
      };
    });
  }

  /** Makes all of them listen; returns what failed. */
  open(): { server: Server; errno: number }[] {
    return [...this.#held]
      .map(([server, listen]) => ({ server, errno: listen() }))
      .filter(({ errno }) => errno !== 0);
  }
}
