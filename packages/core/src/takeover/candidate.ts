import type { Server } from 'node:net';
import { decideAfter } from '../decide.js';
import { restoreEnvironment } from '../handoff/environment.js';
import { Inheritance } from '../handoff/inheritance.js';
import { InheritedPaths } from '../handoff/inherited-paths.js';
import { Newcomers } from '../handoff/newcomers.js';
import { Predecessor } from '../handoff/predecessor.js';
import { PROTOCOL, type ToSuccessor } from '../handoff/protocol.js';
import { useTicketKeys } from '../handoff/tickets.js';
import { SETTLE_TIME } from '../handoff/times.js';
import type { Asked } from '../listen/address.js';
import type { Log } from '../log.js';
import type { RawHandle } from '../node-private/handle.js';
import { askHealth } from '../readiness/health.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';
import { BETWEEN_CHECKS } from './probation.js';

/** How often a candidate looks whether a server is a port check. */
const CHECK_INTERVAL = 50;

/** What a candidate needs of the process that it is. */
export interface CandidateContext {
  world: World;
  version: string;
  settings: SettingsStore;
  log: Log;
  /** The servers that listen, in the order in which they came. */
  servers(): Server[];
  /** Just before the gates open. */
  beforeOpening(): void;
  /** The gates are open: this is the newest process now, which the old one can replace for `window` milliseconds. */
  onGo(window: number): void;
  /** What the old process says once the gates are open; a live connection comes with its handle. */
  onMessage(message: ToSuccessor, handle: RawHandle | undefined): void;
  /** Resolves when no older process is left: each may remove the path of a unix socket as it exits. */
  olderOnesGone(): Promise<void>;
  /** The old process is gone, and this one cannot take its place. */
  onOrphaned(): void;
}

/** A successor before `go`: it claims its addresses and accepts nothing. */
export class Candidate {
  readonly predecessor: Predecessor;
  readonly #inheritance: Inheritance;
  readonly #newcomers: Newcomers;
  readonly #context: CandidateContext;
  readonly paths: InheritedPaths;
  #complete = false;
  /** Whether the start time is up: what is claimed by now is all that will be. */
  #settled = false;
  #checking = false;
  #lookAgain: (() => void) | undefined;
  /** Whether it has said that it is ready. */
  #ready = false;
  /** Whether it does not take over any more. */
  #refuses = false;
  /** Whether the old process is gone: this one takes over once it is ready. */
  #orphaned = false;
  readonly #began: number;
  #whenOrphaned: () => void = () => void this.#maybeReady();
  #release = () => {};
  #over = false;

  private constructor(context: CandidateContext) {
    this.#context = context;
    this.#newcomers = new Newcomers(context.world);
    this.#began = context.world.now();
    this.predecessor = Predecessor.find(
      context.world,
      (message, handle) => this.#hear(message, handle),
      (why) => context.log.warn(`Refused a handoff: ${why}.`),
    ) as Predecessor;
    const sockets = this.predecessor?.handoff.sockets ?? [];
    this.#inheritance = new Inheritance(context.world, sockets);
    this.paths = new InheritedPaths(sockets, context.world);
  }

  /** This process as somebody's successor, or undefined in generation 0. */
  static find(context: CandidateContext): Candidate | undefined {
    const candidate = new Candidate(context);
    const { predecessor } = candidate;
    if (!predecessor) return undefined;
    predecessor.send({ type: 'hello', protocol: PROTOCOL, version: context.version });
    void predecessor.closed.then(() => candidate.#predecessorGone());
    return candidate;
  }

  /** Whether this process is still waiting for `go`. */
  get waiting(): boolean {
    return !this.#over;
  }

  /** Lets a server that is about to listen use its inherited socket, if there is one. */
  claim(server: Server, asked: Asked, ipv6Only: boolean): boolean {
    if (this.#over) return false;
    if (this.#inheritance.claim(server, asked, ipv6Only)) return true;
    // Whoever asks for any port is going to tell its number to somebody, often to itself while it starts.
    if ('path' in asked) this.#deferListen(server, { port: 0 });
    else if (asked.port !== 0) this.#deferListen(server, asked);
    return false;
  }

  /** A server listens or has closed: tells the old process and looks whether this one is ready. */
  changed(): void {
    if (this.#over) return;
    this.predecessor.send({
      type: 'claims',
      labels: this.#inheritance.claimed(),
      waiting: this.#inheritance.unclaimed(),
    });
    // Behind the gate nothing else keeps this process alive.
    this.predecessor.hold(this.#context.servers().length > 0);
    this.#maybeReady();
  }

  /** The application says that it listens wherever it is going to. */
  complete(): void {
    this.#complete = true;
    this.#maybeReady();
  }

  /** This process does not take over any more, also if it was told to go by now. */
  refuse(reason: string): void {
    if (this.#over) return;
    this.#refuses = true;
    this.predecessor.send({ type: 'unready', message: reason });
  }

  #hear(message: ToSuccessor, handle: RawHandle | undefined): void {
    if (this.#over) {
      if (message.type === 'retire') this.paths.release();
      this.#context.onMessage(message, handle);
      return;
    }
    if (message.type === 'socket') {
      this.#arrived(message.index, handle);
      return;
    }
    handle?.close();
    if (message.type === 'settle') {
      this.#settled = true;
      this.#maybeReady();
    } else if (message.type === 'environment') restoreEnvironment(message.replaced);
    else if (message.type === 'go' && !this.#refuses) this.#go(message.tickets, message.window);
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
    if (this.#inheritance.checking) {
      this.#lookAgain ??= this.#context.world.after(CHECK_INTERVAL, () => {
        this.#lookAgain = undefined;
        void this.#maybeReady();
      });
      return false;
    }
    if (this.#complete) return true;
    if (this.#context.settings.current.ready === 'manual') return false;
    if (this.#settled) return true;
    return this.#context.servers().length > 0 && this.#inheritance.unclaimed().length === 0;
  }

  async #maybeReady(): Promise<void> {
    // Servers that begin to listen in this turn shall all be counted, and settings given in it shall be heard.
    await new Promise<void>((resolve) => this.#context.world.turn(resolve));
    if (this.#over || this.#refuses || this.#checking || !this.#isComplete()) return;
    this.#checking = true;
    const { healthCheck } = this.#context.settings.current;
    const unhealthy =
      healthCheck && (await askHealth(this.#context.world, healthCheck, this.#context.servers));
    if (this.#over || this.#refuses) return;
    if (unhealthy !== undefined) {
      this.#unhealthy(unhealthy);
      return;
    }
    // A server may have closed meanwhile; the next that listens has it looked at again.
    if (!this.#isComplete()) {
      this.#checking = false;
      return;
    }
    if (this.#orphaned) {
      await this.#takeOver();
      return;
    }
    this.#ready = true;
    // Not before now: where the sender has gone, libuv takes a read that ended at a handle for the last one, and what
    // a candidate says as it dies would be lost behind it.
    for (const { address, handle } of this.#inheritance.sockets)
      this.predecessor.send({ type: 'listener-copy', address }, handle);
    this.predecessor.send({ type: 'ready', dropped: this.#inheritance.unclaimed() });
  }

  #unhealthy(reason: string): void {
    const askAgain = () => {
      this.#checking = false;
      void this.#maybeReady();
    };
    if (this.#orphaned) this.#context.world.after(BETWEEN_CHECKS, askAgain);
    else {
      // The old process ends this one, unless it is gone before that.
      this.#whenOrphaned = askAgain;
      this.predecessor.send({ type: 'unready', message: reason });
    }
  }

  #go(tickets: Record<string, string>, window: number): void {
    this.#over = true;
    this.paths.letRemove();
    useTicketKeys(this.#context.servers(), tickets);
    this.#context.beforeOpening();
    const { failed, opened, leftNames } = this.#inheritance.open();
    for (const { server, errno } of [...failed, ...this.#newcomers.open()])
      server.emit('error', new Error(`listen failed on an inherited socket (errno ${errno})`));
    this.paths.keep(opened, leftNames, this.#context.servers());
    void this.#context.olderOnesGone().then(() => this.paths.end());
    this.predecessor.accepting();
    this.predecessor.hold(false);
    this.#context.onGo(window);
  }

  #predecessorGone(): void {
    if (this.#over || this.#refuses) return;
    const { world, log, settings } = this.#context;
    this.#inheritance.orphaned();
    // A name may still be looked up.
    if (this.#inheritance.claimed().length === 0 && !this.#inheritance.pending) {
      this.#leave('The old process ended before this one had claimed an address: leaving.');
      return;
    }
    if (this.#ready) {
      void this.#takeOver();
      return;
    }
    this.#orphaned = true;
    log.warn('The old process ended before it handed over: this one takes over once it is ready.');
    // Behind the gate nothing else keeps it alive.
    this.#release = world.stayAlive();
    const left = Math.max(0, settings.current.startTimeout - (world.now() - this.#began));
    decideAfter(world, left, () => this.#startTimeIsUp());
    this.#whenOrphaned();
  }

  /** Takes over with the addresses that are claimed, if only others were awaited. */
  #startTimeIsUp(): void {
    this.#settled = true;
    void this.#maybeReady();
    decideAfter(this.#context.world, SETTLE_TIME, () => {
      if (!this.#over)
        this.#leave('The old process ended, and this one was not ready within `startTimeout`: leaving.');
    });
  }

  #leave(why: string): void {
    this.#context.log.error(why);
    this.#over = true;
    this.#context.onOrphaned();
  }

  async #takeOver(): Promise<void> {
    const reason = await this.#inheritance.bindMissing();
    if (this.#over) return;
    if (reason !== undefined) {
      this.#leave(`The old process ended before its sockets had come: ${reason}. This process exits.`);
      return;
    }
    this.#context.log.warn('The old process ended before it handed over: this one takes its place.');
    this.#go({}, 0);
    this.#release();
  }
}
