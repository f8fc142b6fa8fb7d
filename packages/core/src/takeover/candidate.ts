import type { Server } from 'node:net';
import { restoreEnvironment } from '../handoff/environment.js';
import { Inheritance } from '../handoff/inheritance.js';
import { InheritedPaths } from '../handoff/inherited-paths.js';
import { Newcomers } from '../handoff/newcomers.js';
import { Predecessor } from '../handoff/predecessor.js';
import { PROTOCOL, type ToSuccessor } from '../handoff/protocol.js';
import { useTicketKeys } from '../handoff/tickets.js';
import type { Asked } from '../listen/address.js';
import type { RawHandle } from '../node-private/handle.js';
import { askHealth } from '../readiness/health.js';
import type { CandidateContext } from './context.js';
import { takeOverAlone } from './orphan.js';
import { BETWEEN_CHECKS } from './probation.js';

/** How often a candidate looks whether a server is a port check, or whether a search for an address is over. */
const CHECK_INTERVAL = 50;

/** What each message of the predecessor does; any other is dropped. */
type Handlers = {
  [Type in ToSuccessor['type']]?: (message: Extract<ToSuccessor, { type: Type }>) => void;
};

/** A successor before `go`: it claims its addresses and accepts nothing. */
export class Candidate {
  readonly predecessor: Predecessor;
  readonly paths: InheritedPaths;
  readonly #inheritance: Inheritance;
  readonly #newcomers: Newcomers;
  readonly #context: CandidateContext;
  #complete = false;
  /** Whether the start time is up: the addresses that are claimed by now suffice. */
  #settled = false;
  #checking = false;
  #lookAgain: (() => void) | undefined;
  /** Whether it has sent `ready`. */
  #ready = false;
  /** Whether it no longer takes over. */
  #refuses = false;
  /** Set once the old process is gone: what to call when this one is ready. */
  #readyAlone: (() => void) | undefined;
  readonly #began: number;
  #whenOrphaned: () => void = () => void this.#maybeReady();
  #release = () => {};
  #over = false;

  readonly #handlers: Handlers = {
    settle: () => this.#settle(),
    environment: ({ replaced }) => restoreEnvironment(replaced),
    go: ({ tickets, window }) => this.#go(tickets, window),
  };

  private constructor(predecessor: Predecessor, context: CandidateContext) {
    const { world, version } = context;
    const { sockets } = predecessor.handoff;
    this.predecessor = predecessor;
    this.#context = context;
    this.#newcomers = new Newcomers(world);
    this.#began = world.now();
    this.#inheritance = new Inheritance(world, sockets);
    this.paths = new InheritedPaths(sockets, world);
    predecessor.channel.listen((message, handle) => this.#hear(message, handle));
    predecessor.send({ type: 'hello', protocol: PROTOCOL, version });
    void predecessor.closed.then(() => this.#predecessorGone());
  }

  /** This process as the successor of another one, or undefined in generation 0. */
  static find(context: CandidateContext): Candidate | undefined {
    const refuse = (why: string) => context.log.warn(`Refused a handoff: ${why}.`);
    const predecessor = Predecessor.find(context.world, refuse);
    return predecessor && new Candidate(predecessor, context);
  }

  /** Whether this process is still waiting for `go`. */
  get waiting(): boolean {
    return !this.#over;
  }

  /** Lets a server that is about to listen use its inherited socket, if there is one. */
  claim(server: Server, asked: Asked, ipv6Only: boolean): boolean {
    return this.#inheritance.claim(server, asked, ipv6Only);
  }

  /** Lets a server bind an address that it does not inherit, and listen on it only when the gates open. */
  binds(server: Server, asked: Asked): void {
    // A server on port 0 needs its port number during startup, so it must bind and listen now.
    if ('path' in asked) this.#deferListen(server, { port: 0 });
    else if (asked.port !== 0) this.#deferListen(server, asked);
  }

  /** A server listens or has closed: sends `claims`, and looks whether this process is ready. */
  changed(): void {
    if (this.#over) return;
    this.predecessor.send({
      type: 'claims',
      labels: this.#inheritance.claimed(),
      waiting: this.#inheritance.unclaimed(),
    });
    // Behind the gate nothing else keeps this process alive.
    this.predecessor.hold(this.#context.servers.size > 0);
    this.#maybeReady();
  }

  /** The application reports that it listens on all of its addresses. */
  complete(): void {
    this.#complete = true;
    this.#maybeReady();
  }

  /** This process stops: it no longer takes over, even if `go` is on its way. */
  refuse(): void {
    if (this.#over) return;
    this.#refuses = true;
    this.#release();
    this.predecessor.send({ type: 'unready', message: 'it is shutting down', stops: true });
  }

  #hear(message: ToSuccessor, handle: RawHandle | undefined): void {
    if (message.type === 'socket') {
      this.#arrived(message.index, handle);
      return;
    }
    handle?.close();
    const handler = this.#handlers[message.type] as ((message: ToSuccessor) => void) | undefined;
    if (handler) handler(message);
    else this.#context.world.debug.ignored(message.type, 'it waits for `go`');
  }

  /** The start time is up. */
  #settle(): void {
    this.#settled = true;
    void this.#maybeReady();
  }

  get #servers(): Server[] {
    return this.#context.servers.all().map(({ server }) => server);
  }

  #arrived(index: number, handle: RawHandle | undefined): void {
    const refused = this.#inheritance.arrive(index, handle);
    if (refused) {
      const { reason, server } = refused;
      this.#context.log.warn(`Refused an inherited socket: ${reason}`);
      if (server && !server.listening) this.#deferListen(server, { port: 0 });
      else if (server) {
        server.close();
        server.emit('error', new Error(`The inherited socket cannot be used: ${reason}`));
      }
    }
    if (this.#inheritance.claimed().length > 0) void this.#maybeReady();
  }

  #deferListen(server: Server, asked: { port: number; host?: string }): void {
    this.#newcomers.deferListen(server, asked, () => this.#inheritance.isUnclaimed(asked.port));
  }

  #isComplete(): boolean {
    if (this.#inheritance.pending || this.#newcomers.checking) return false;
    if (this.#inheritance.checking || this.#context.searching()) {
      this.#lookAgain ??= this.#context.world.after(CHECK_INTERVAL, () => {
        this.#lookAgain = undefined;
        void this.#maybeReady();
      });
      return false;
    }
    if (this.#complete) return true;
    if (this.#context.settings.current.ready === 'manual') return false;
    if (this.#settled) return true;
    return this.#context.servers.size > 0 && this.#inheritance.unclaimed().length === 0;
  }

  async #maybeReady(): Promise<void> {
    // Wait one turn, so that servers and settings added in this turn count.
    await new Promise<void>((resolve) => this.#context.world.turn(resolve));
    if (this.#over || this.#refuses || this.#checking || !this.#isComplete()) return;
    this.#checking = true;
    const { healthCheck } = this.#context.settings.current;
    const unhealthy = healthCheck && (await askHealth(this.#context.world, healthCheck, () => this.#servers));
    if (this.#over || this.#refuses) return;
    if (unhealthy !== undefined) {
      this.#unhealthy(unhealthy);
      return;
    }
    // A server may have closed meanwhile; the next server that listens calls this again.
    if (!this.#isComplete()) {
      this.#checking = false;
      return;
    }
    if (this.#readyAlone) {
      this.#readyAlone();
      return;
    }
    this.#ready = true;
    // Not before now: once the sender is gone, libuv takes a read that ended at a handle for the last one.
    // The last messages of a candidate that exits would be lost behind it.
    for (const { address, handle } of this.#inheritance.sockets)
      this.predecessor.send({ type: 'listener-copy', address }, handle);
    this.predecessor.send({ type: 'ready', dropped: this.#inheritance.unclaimed() });
  }

  #unhealthy(reason: string): void {
    const askAgain = () => {
      this.#checking = false;
      void this.#maybeReady();
    };
    if (this.#readyAlone) this.#context.world.after(BETWEEN_CHECKS, askAgain);
    else {
      // The old process kills this one, unless the old process is gone before that.
      this.#whenOrphaned = askAgain;
      this.predecessor.send({ type: 'unready', message: reason });
    }
  }

  #go(tickets: Record<string, string>, window: number): void {
    if (this.#refuses) return;
    this.#over = true;
    this.paths.letRemove();
    useTicketKeys(this.#servers, tickets);
    this.#context.beforeOpening();
    const { failed, opened, leftNames } = this.#inheritance.open();
    for (const failure of [...failed, ...this.#newcomers.open()]) this.#context.cannotListen(failure);
    this.paths.keep(opened, leftNames, this.#servers);
    void this.#context.olders.gone().then(() => this.paths.end());
    this.predecessor.accepting();
    this.predecessor.hold(false);
    this.#context.onGo(window);
  }

  async #predecessorGone(): Promise<void> {
    if (this.#over || this.#refuses) return;
    const { world, log } = this.#context;
    const { pid } = this.predecessor.handoff;
    const ready = this.#ready
      ? undefined
      : new Promise<void>((resolve) => {
          this.#readyAlone = resolve;
        });
    // Behind the gate nothing else keeps this process alive.
    this.#release = world.stayAlive();
    const verdict = takeOverAlone({
      ...this.#context,
      inheritance: this.#inheritance,
      old: pid,
      began: this.#began,
      ready,
      settle: () => this.#settle(),
    });
    if (ready) this.#whenOrphaned();
    const whyNot = await verdict;
    if (whyNot === undefined) this.#go({}, 0);
    else if (!this.#refuses) {
      log.error(
        `The old process, pid ${pid}, exited before the handover, and ${whyNot}. This process exits too: start the program again.`,
      );
      this.#over = true;
      world.exit(1);
    }
    this.#release();
  }
}
