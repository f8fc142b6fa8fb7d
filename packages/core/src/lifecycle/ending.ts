import { type DrainPlan, drainConnections, stopAccepting } from '../drain/drain.js';
import { Goodbyes } from '../drain/goodbyes.js';
import { connectionsIn, type Hammered, hammerServers, summaryOf } from '../drain/hammer.js';
import type { Holds } from '../drain/holds.js';
import type { TrackedServer } from '../drain/tracked-server.js';
import type { Predecessor } from '../handoff/predecessor.js';
import { type Bound, label } from '../listen/address.js';
import { leavePath } from '../listen/unix-path.js';
import type { Logger } from '../log.js';
import { type Destination, Mover } from '../migrate/mover.js';
import { Offers, type SocketDestination } from '../migrate/offers.js';
import type { Protocols } from '../migrate/protocols.js';
import type { ResolvedSettings } from '../settings.js';
import type { HookableSignal } from '../signals/signals.js';
import type { World } from '../world.js';
import { Deadline } from './deadline.js';
import type { Events } from './events.js';
import type { Hooks } from './hooks.js';
import type { Servers } from './servers.js';

/** What a shutdown comes to. */
export interface ShutdownResult {
  /** What the hammer had to end by force. */
  forced: { requests: number; connections: number };
  /** Milliseconds from the beginning of the shutdown. */
  durationMs: number;
}

/** What an ending needs of the process that it ends. */
export interface EndingContext {
  world: World;
  servers: Servers;
  holds: Holds;
  protocols: Protocols;
  hooks: Hooks;
  events: Events;
  predecessor: Predecessor | undefined;
  settings(): ResolvedSettings;
  logger(): Logger;
  /** What adapters do once no connection is left, such as `app.close()` in Fastify. */
  closers: readonly (() => unknown)[];
  /** Where live connections go on a restart. */
  destination: (Destination & SocketDestination) | undefined;
  /** A connection has arrived there. */
  onMoved(address: string): void;
  /** Whether an adapter answers late requests in its framework's own way. */
  adapted(): boolean;
  /** Whether a successor serves an address from now on. */
  leaves(bound: Bound): boolean;
  /** The ending has begun in earnest: `endless.signal` aborts. */
  onBegun(): void;
}

/** How often the servers are looked at for whether only upgraded connections are left. */
const LOOK_EVERY = 25;
/** Time that post hooks still get once the hammer has fallen. */
const AFTER_HAMMER = 100;

/** The end of a process's service, by a shutdown or because its successor has taken over: once begun, it is not taken back. */
export class Ending {
  readonly reason: 'restart' | 'shutdown';
  readonly #trigger: HookableSignal;
  readonly #context: EndingContext;
  readonly #deadline: Deadline;
  readonly #began: number;
  #forced: Hammered = { requests: [], connections: {} };
  #checkDrained: () => void = () => {};
  #mover: Mover | undefined;
  #offers: Offers | undefined;
  readonly #goodbyes: Goodbyes;
  #moving = false;

  /** `hammerTime` counts from `began`; the trigger names the hooks that run. */
  constructor(
    reason: 'restart' | 'shutdown',
    trigger: HookableSignal,
    hammerTime: number,
    context: EndingContext,
    began = context.world.now(),
  ) {
    this.reason = reason;
    this.#trigger = trigger;
    this.#context = context;
    this.#began = began;
    const { protocols, world } = context;
    this.#goodbyes = new Goodbyes(protocols, world, (socket) => this.#offers?.mayMove(socket) ?? false);
    this.#deadline = new Deadline(context.world, () => this.#hammer());
    const left = hammerTime < 0 ? -1 : Math.max(0, hammerTime - (context.world.now() - began));
    // A restart takes nothing from those that drain already; a stop of the newest is a stop of them all.
    if (reason === 'shutdown') this.limit(left);
    else this.#deadline.within(left);
  }

  /** Whether the hammer has fallen. */
  get hammered(): boolean {
    return this.#deadline.expired;
  }

  /** Resolves when the hammer has fallen. */
  get fallen(): Promise<void> {
    return this.#deadline.passed;
  }

  /** Whether the hammer had to end a request. */
  get cutRequests(): boolean {
    return this.#forced.requests.length > 0;
  }

  /** The successor says which of the connections that were sent to it have arrived. */
  taken(ids: readonly number[], lost: readonly number[]): void {
    this.#mover?.taken(ids, lost);
  }

  /** The successor says which of the sockets that were offered to it it would serve. */
  answered(accepted: readonly number[], refused: readonly number[]): void {
    this.#offers?.answered(accepted, refused);
    this.check();
  }

  /** Brings the hammer nearer: it falls within `ms` (-1: as before), here and in every older generation. */
  limit(ms: number): void {
    this.#deadline.within(ms);
    // Each takes the earlier of its own moment and this one; what is left of ours is nobody else's.
    this.#context.predecessor?.send({ type: 'stop', deadline: ms });
  }

  /** Something has ended: looks whether anything is left. */
  check(): void {
    this.#checkDrained();
  }

  /** Runs the whole ending and resolves when this process has drained. */
  async run(): Promise<ShutdownResult> {
    // A hold, a hook or a half-closed connection keeps no event loop alive, and is waited for all the same.
    const letGo = this.#context.world.stayAlive();
    try {
      return await this.#run();
    } finally {
      letGo();
    }
  }

  async #run(): Promise<ShutdownResult> {
    const { world, hooks, closers, events, onBegun } = this.#context;
    const settings = this.#context.settings();
    const logger = this.#context.logger();
    onBegun();
    if (this.reason === 'shutdown') {
      await this.#deadline.bound(hooks.run('pre', this.#trigger, logger));
      if (this.#trigger === 'SIGTERM') await this.#wait(settings.shutdownDelay);
    }
    logger.info('Waiting for connections to finish...');
    events.emit('draining', { reason: this.reason, deadlineMs: this.#deadline.left }, logger);
    this.#offers = this.#createOffers();
    this.#offers?.begin();
    this.#goodbyes.begin(this.reason, this.#deadline.left);
    const undo = this.#drainServers({
      idleGrace: settings.idleGrace ?? (this.#trigger === 'SIGINT' ? 0 : 5_000),
      rejectsLate: settings.lateRequests === 'reject' && !this.#context.adapted(),
    });
    if (closers.length > 0) await this.#deadline.bound(this.#quiet());
    for (const close of [...closers]) await this.#deadline.bound(this.#attempt(close));
    await this.#deadline.bound(this.#drained());
    for (const fn of undo) fn();
    this.#offers?.stop();
    this.#goodbyes.stop();
    events.emit('drained', { durationMs: world.now() - this.#began }, logger);
    // Once the hammer has fallen nothing is awaited for long, but nothing is left out either.
    const post = hooks.run('post', this.#trigger, logger);
    await Promise.race([post, this.#deadline.passed.then(() => this.#pause(AFTER_HAMMER))]);
    this.#deadline.cancel();
    const { requests } = this.#forced;
    logger.info('Serve() returning...');
    return {
      forced: { requests: requests.length, connections: connectionsIn(this.#forced) },
      durationMs: world.now() - this.#began,
    };
  }

  /** Ends at once whatever is still running, and in a stop whatever still runs in older generations. */
  hammer(): void {
    if (this.reason === 'shutdown') this.limit(0);
    else this.#deadline.within(0);
  }

  #drainServers(plan: DrainPlan): (() => void)[] {
    const { servers, world } = this.#context;
    const logger = this.#context.logger();
    const undo: (() => void)[] = [];
    const drain = (tracked: TrackedServer) => void undo.push(drainConnections(tracked, plan, world));
    const mover = this.#createMover((stayed) => stayed.forEach(drain));
    undo.push(() => mover?.stop());
    for (const tracked of servers.all()) {
      this.#stopAccepting(tracked);
      logger.info(`${tracked.bound ? label(tracked.bound) : 'unknown'} Listener closed.`);
      if (mover && this.moves(tracked)) mover.move(tracked);
      else drain(tracked);
    }
    return undo;
  }

  /** Whether the connections of this server go to the successor alive. */
  moves({ bound, secure, http, http2 }: TrackedServer): boolean {
    return this.#moving && http && !http2 && !secure && bound !== undefined && this.#context.leaves(bound);
  }

  #createMover(onGivenUp: (stayed: TrackedServer[]) => void): Mover | undefined {
    const { destination, world, onMoved } = this.#context;
    if (!destination || !this.#context.settings().migrate) return undefined;
    this.#mover = new Mover(
      destination,
      world,
      (address) => {
        onMoved(address);
        this.check();
      },
      (stayed) => {
        this.#moving = false;
        this.#context
          .logger()
          .warn('The successor takes no more connections: those that are left are told to close.');
        onGivenUp(stayed);
      },
    );
    this.#moving = true;
    return this.#mover;
  }

  #createOffers(): Offers | undefined {
    const { destination, world, protocols, servers, logger, onMoved, leaves } = this.#context;
    if (!destination || !this.#context.settings().migrate) return undefined;
    return new Offers({
      destination,
      world,
      protocols,
      servers: () => servers.all(),
      movable: ({ bound, secure }) => !secure && bound !== undefined && leaves(bound),
      logger,
      onMoved,
    });
  }

  #stopAccepting(tracked: TrackedServer): void {
    const { bound, server } = tracked;
    if (bound && 'path' in bound && this.#context.leaves(bound)) leavePath(server);
    stopAccepting(tracked);
  }

  /** Resolves when no connection is left but upgraded ones that stay: those are the application's to close. */
  async #quiet(): Promise<void> {
    const { servers } = this.#context;
    while (!(servers.quiet && this.#goodbyes.done && !this.#offers?.busy) && !this.hammered)
      await this.#pause(LOOK_EVERY);
  }

  /** Resolves when no connection and no hold is left. */
  #drained(): Promise<void> {
    const { servers, holds } = this.#context;
    return new Promise((resolve) => {
      this.#checkDrained = () => {
        if (servers.empty && holds.count === 0 && !this.#mover?.busy && !this.#offers?.busy) resolve();
      };
      this.#checkDrained();
    });
  }

  #hammer(): void {
    const { servers, events, holds } = this.#context;
    const logger = this.#context.logger();
    for (const tracked of servers.all()) this.#stopAccepting(tracked);
    this.#forced = hammerServers(servers.all(), this.#context.world.now(), this.#began);
    logger.warn(`[STOP - Hammer Time] Forcefully shutting down parent`);
    const held = holds.count > 0 ? `; holds: ${holds.count}` : '';
    logger.warn(`The hammer ended ${summaryOf(this.#forced)}${held}`);
    events.emit('hammered', this.#forced, logger);
  }

  async #attempt(fn: () => unknown): Promise<void> {
    try {
      await fn();
    } catch (error) {
      this.#context.logger().error(`Closing the application failed: ${String(error)}`);
    }
  }

  async #wait(ms: number): Promise<void> {
    if (ms > 0) await this.#deadline.bound(this.#pause(ms));
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#context.world.after(ms, resolve));
  }
}
