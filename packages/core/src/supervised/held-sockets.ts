import { errorMonitor } from 'node:events';
import type { Server } from 'node:net';
import { type ActivatedSocket, markActivated } from '../handoff/activated.js';
import { Gate } from '../handoff/gate.js';
import { type Asked, type Bound, bestOf, label } from '../listen/address.js';
import { adoptPath, inheritedPath, isFilePath } from '../listen/unix-path.js';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { HeldPaths } from './held-paths.js';
import { LateSockets, type Search } from './late-sockets.js';
import { Overtaken } from './overtaken.js';

/** How often a claimed socket looks whether its server may accept, and is no port check. */
const LOOK_AGAIN = 50;

/** The event before `'error'`, which does not count as a listener of it. */
const FAILED = errorMonitor as unknown as 'error';

/** The listening sockets that `endless run` holds for this process too, until servers ask for them. */
export class HeldSockets {
  /** A server has begun to accept on one of them. */
  onOpened: () => void = () => {};
  /** Asks the supervisor for the sockets of all other workers. */
  search: Search = async () => 0;
  /** Whether servers may accept: a candidate waits for `go`. */
  mayOpen: () => boolean = () => true;
  /** Whether a server of this process listens at this address. */
  isServed: (bound: Bound) => boolean = () => false;
  readonly paths = new HeldPaths();
  /** The servers that may have to wait for one of them. */
  readonly late: LateSockets;
  /** The servers of a candidate that may need one of them although they have bound their address. */
  readonly overtaken: Overtaken;
  readonly #world: World;
  readonly #sockets: ActivatedSocket[] = [];
  /** Those that servers have claimed and not opened, and that go back to the others if their server closes. */
  readonly #returning = new Set<ActivatedSocket>();
  /** The addresses of servers that look up their host name. */
  readonly #claimed = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    const search = () => this.search();
    this.late = new LateSockets(world, search);
    const take = (asked: Asked) => this.#take(asked);
    this.overtaken = new Overtaken(world, { search, take, opened: () => this.onOpened() });
  }

  /** Adds a socket that came from the supervisor. */
  add(socket: ActivatedSocket): void {
    markActivated(socket.handle);
    this.paths.add(socket.bound);
    this.#sockets.push(socket);
    this.late.arrived(socket);
  }

  /** No worker serves this address any more: a client must not wait in its queue. */
  drop(bound: Bound): void {
    this.paths.remove(bound);
    for (const socket of this.#sockets.splice(0, this.#sockets.length))
      if (label(socket.bound) === label(bound)) socket.handle.close();
      else this.#sockets.push(socket);
    for (const socket of this.#returning)
      if (label(socket.bound) === label(bound)) this.#returning.delete(socket);
  }

  /** Closes those that no server has asked for: this process drains. */
  close(): void {
    this.#returning.clear();
    this.late.close();
    for (const { handle } of this.#sockets.splice(0)) handle.close();
  }

  #take(asked: Asked): RawHandle | undefined {
    const socket = bestOf(
      this.#sockets.filter(({ bound }) => !this.#claimed.has(label(bound))),
      asked,
    );
    if (socket) this.#sockets.splice(this.#sockets.indexOf(socket), 1);
    return socket?.handle;
  }

  /**
   * Makes the server listen on the socket of the address that it asks for, if there is one. A server that
   * closes at once (a port check) leaves the socket to the next server.
   */
  claim(server: Server, asked: Asked, ipv6Only: boolean): boolean {
    const socket = bestOf(
      this.#sockets.filter(({ bound }) => !this.#claimed.has(label(bound)) && !this.isServed(bound)),
      asked,
    );
    if (!socket) return false;
    this.#sockets.splice(this.#sockets.indexOf(socket), 1);
    this.#returning.add(socket);
    const { handle, bound } = socket;
    this.#claimed.add(label(bound));
    let release = () => {};
    let over = false;
    const end = () => {
      over = true;
      release();
      server.off('listening', listening).off(FAILED, failed);
    };
    const giveBack = () => {
      if (over) return;
      end();
      this.#claimed.delete(label(bound));
      if (this.#returning.delete(socket)) this.#sockets.push(socket);
      else handle.close();
    };
    const gate = new Gate(this.#world, server, bound, ipv6Only, giveBack);
    const open = () => {
      if (over) return;
      if (gate.mayBeCheck || !this.mayOpen()) {
        this.#world.after(LOOK_AGAIN, open);
        return;
      }
      end();
      this.#returning.delete(socket);
      if ('path' in bound && isFilePath(bound.path)) adoptPath(handle, inheritedPath(bound.path));
      const errno = gate.open(handle);
      if (errno === 0) this.onOpened();
      else server.emit('error', new Error(`listen failed on an inherited socket (errno ${errno})`));
    };
    const listening = () => {
      this.#claimed.delete(label(bound));
      // Behind the gate nothing else keeps this process alive.
      release = this.#world.stayAlive();
      this.#world.turn(open);
    };
    const failed = () => {
      gate.withdraw();
      giveBack();
    };
    // The look-up of its host name may fail, and the server may listen again.
    server.once('listening', listening).once(FAILED, failed);
    return true;
  }
}
