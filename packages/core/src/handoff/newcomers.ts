import { isIP, type Server } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { label } from '../listen/address.js';
import type { RawHandle } from '../node-private/handle.js';
import { onListeningHandle } from '../node-private/listening.js';
import type { World } from '../world.js';

/** How long a server may look like a port check: a check closes in its `'listening'` callback. */
export const CHECK_TIME = 1_000;

/** How a server listens that is only bound. */
export interface Deferred {
  asked: AskedPort;
  backlog: number;
  /** Returns the error number, 0 for success. */
  listen(): number;
}

type AskedPort = { port: number; host?: string };

/** The servers of a candidate that ask for addresses which it does not inherit. */
export class Newcomers {
  readonly #held = new Map<Server, Deferred>();
  /** Port checks that are open now. */
  readonly #checks = new Set<Server>();
  readonly #world: World;
  #opened = false;

  constructor(world: World) {
    this.#world = world;
  }

  /**
   * Lets a server bind its address, and listen on it only when the gates open. If the old process holds the
   * port (`isInherited`), a port check finds it free on any host; a server that stays gets the error.
   */
  deferListen(server: Server, asked: AskedPort, isInherited: () => boolean): void {
    onListeningHandle(server, (handle) => {
      // A bind can fail before there is a handle: the next one may come after `go`.
      if (this.#opened) return;
      const { listen } = handle;
      handle.listen = (backlog) => {
        // libuv keeps a bind error for the next call.
        const errno = handle.getsockname?.({}) ?? 0;
        if (errno !== 0) {
          if (getSystemErrorName(errno) !== 'EADDRINUSE' || !isInherited()) return errno;
          this.#check(server, handle, asked, errno);
          return 0;
        }
        this.#held.set(server, {
          asked,
          backlog,
          listen() {
            handle.listen = listen;
            return handle.listen(backlog);
          },
        });
        server.once('close', () => this.#held.delete(server));
        return 0;
      };
    });
  }

  /** Whether a port check is open. */
  get checking(): boolean {
    return this.#checks.size > 0;
  }

  /** Makes all of them listen; returns those that failed. */
  open(): { server: Server; errno: number; deferred: Deferred }[] {
    this.#opened = true;
    return [...this.#held]
      .map(([server, deferred]) => ({ server, errno: deferred.listen(), deferred }))
      .filter(({ errno }) => errno !== 0);
  }

  #check(server: Server, handle: RawHandle, { port, host }: AskedPort, errno: number): void {
    const address = host !== undefined && isIP(host) ? host : host === undefined ? '::' : '127.0.0.1';
    handle.getsockname = (out) => {
      Object.assign(out, { address, family: isIP(address) === 6 ? 'IPv6' : 'IPv4', port });
      return 0;
    };
    this.#checks.add(server);
    const cancel = this.#world.after(CHECK_TIME, () => {
      const message = `listen EADDRINUSE: address already in use ${label({ address, port })}`;
      server.close();
      server.emit(
        'error',
        Object.assign(new Error(message), { code: 'EADDRINUSE', errno, syscall: 'listen', address, port }),
      );
    });
    server.once('close', () => {
      cancel();
      this.#checks.delete(server);
    });
  }
}
