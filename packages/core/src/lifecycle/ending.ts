import { stopAccepting } from '../drain/drain.js';
import { Goodbyes } from '../drain/goodbyes.js';
import { connectionsIn, type Hammered, hammerServers, summaryOf } from '../drain/hammer.js';
import type { Holds } from '../drain/holds.js';
import type { Left, ProgressLine } from '../drain/progress.js';
import type { TrackedServer } from '../drain/tracked-server.js';
import { label } from '../listen/address.js';
import { leavePath } from '../listen/unix-path.js';
import type { Logger } from '../log.js';
import type { Protocols } from '../migrate/protocols.js';
import type { ResolvedSettings } from '../settings.js';
import type { HookableSignal } from '../signals/signals.js';
import type { World } from '../world.js';
import { Deadline } from './deadline.js';
import type { Departure } from './departure.js';
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

/** What an adapter does at the end, such as Fastify's preClose hooks and its `app.close()`. */
export interface Closer {
  /** The drain begins. */
  begin(): unknown;
  /** No connection is left. */
  close(): unknown;
}

/** What an ending needs of the process that it ends. */
export interface EndingContext {
  world: World;
  servers: Servers;
  holds: Holds;
  protocols: Protocols;
  hooks: Hooks;
  events: Events;
  /** Tells every older process that the newest stops within so many milliseconds. */
  stopOlder(ms: number, idleGrace: number): void;
  settings(): ResolvedSettings;
  logger(): Logger;
  closers: readonly Closer[];
  /** The connections on their way out, of which some may have gone before. */
  departure: Departure;
  /** Whether connections may still come from the process before this one: what is in flight there follows when it is answered. */
  expectsConnections(): boolean;
  /** Tells somebody at a terminal what is left; absent where the log is the application's. */
  progress?: ProgressLine;
  /** Whether an adapter answers late requests in its framework's own way. */
  answersLate(): boolean;
  /** Whether a successor serves the address of a server from now on. */
  leaves(tracked: TrackedServer): boolean;
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
  /** What the deadline is for once this process has drained. */
  #onLate: (() => void) | undefined;
  readonly #goodbyes: Goodbyes;

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
    const { protocols, world, departure } = context;
    this.#goodbyes = new Goodbyes(protocols, world, (socket) => departure.mayMove(socket));
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

  /** Milliseconds until the hammer falls; -1 where it does not fall by itself. */
  get left(): number {
    return this.#deadline.left;
  }

  /** Resolves when the hammer has fallen. */
  get fallen(): Promise<void> {
    return this.#deadline.passed;
  }

  /** Whether the hammer had to end a request. */
  get cutRequests(): boolean {
    return this.#forced.requests.length > 0;
  }

  /** Whether nothing is left here, so that this process only waits for older ones, while its successor serves on. */
  get onlyWaits(): boolean {
    const { servers, holds, departure } = this.#context;
    return (
      this.reason === 'restart' && !departure.isOfAll && !departure.busy && servers.empty && holds.count === 0
    );
  }

  /** Brings the hammer nearer: it falls within `ms` (-1: as before), here and in every older generation. */
  limit(ms: number): void {
    this.#deadline.within(ms);
    const { stopOlder, departure } = this.#context;
    // Each takes the earlier of its own moment and this one; what is left of ours is nobody else's.
    stopOlder(ms, departure.idleGrace);
  }

  /** The successor stops within `ms`, and this process with it. */
  stopToo(ms: number): void {
    this.limit(ms);
    if (!this.hammered) this.#goodbyes.hasten('shutdown', this.#deadline.left);
  }

  /** Something has ended: looks whether anything is left. */
  check(): void {
    const { servers, departure, expectsConnections } = this.#context;
    if (!departure.busy && !expectsConnections())
      for (const { empty, appClose } of servers.all()) if (empty) appClose.release();
    this.#checkDrained();
  }

  /** This process has drained: calls `fn` at the deadline, which may still come nearer. */
  whenLate(fn: () => void): void {
    this.#onLate = fn;
    this.#deadline.resume();
  }

  /** Runs the whole ending and resolves when this process has drained. */
  async run(): Promise<ShutdownResult> {
    // A hold, a hook or a half-closed connection keeps no event loop alive, and is waited for all the same.
    const letGo = this.#context.world.stayAlive();
    const stopWatching = this.#context.world.onExit(() => this.#onExit());
    try {
      return await this.#run();
    } finally {
      stopWatching();
      letGo();
    }
  }

  async #run(): Promise<ShutdownResult> {
    const { world, hooks, closers, events, servers, departure, progress, onBegun } = this.#context;
    const settings = this.#context.settings();
    const logger = this.#context.logger();
    departure.keepIdle(servers.all());
    onBegun();
    if (this.reason === 'shutdown') {
      await this.#deadline.bound(hooks.run('pre', this.#trigger, logger));
      if (this.#trigger === 'SIGTERM') await this.#wait(settings.shutdownDelay);
    }
    logger.info('Waiting for connections to finish...');
    events.emit('draining', { reason: this.reason, deadlineMs: this.#deadline.left }, logger);
    progress?.begin(() => this.#left());
    for (const tracked of servers.all()) {
      this.#stopAccepting(tracked);
      logger.info(`${tracked.bound ? label(tracked.bound) : 'unknown'} Listener closed.`);
    }
    departure.begin(servers.all());
    this.check();
    departure.settle({ rejectsLate: settings.lateRequests === 'reject' && !this.#context.answersLate() });
    this.#goodbyes.begin(departure.isOfAll ? 'shutdown' : this.reason, this.#deadline.left);
    const begun = closers.map((closer) => this.#attempt(() => this.#beginClosing(closer)));
    if (closers.length > 0) await this.#deadline.bound(Promise.all([this.#quiet(), ...begun]));
    for (const closer of [...closers]) await this.#deadline.bound(this.#attempt(() => closer.close()));
    await this.#deadline.bound(this.#drained());
    for (const { appClose } of servers.all()) appClose.release();
    departure.stop();
    this.#goodbyes.stop();
    progress?.end();
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

  #stopAccepting(tracked: TrackedServer): void {
    if (this.#context.leaves(tracked)) leavePath(tracked.server);
    stopAccepting(tracked);
  }

  #left(): Left {
    const { servers, holds } = this.#context;
    const connections = servers.all().reduce((sum, { sockets }) => sum + sockets.size, 0);
    return {
      requests: servers.activeRequests,
      connections,
      holds: holds.count,
      comesMore: this.#context.expectsConnections(),
      hammerIn: this.#deadline.left,
    };
  }

  /** An adapter may close what can still move: it waits for that. */
  async #beginClosing(closer: Closer): Promise<void> {
    while (this.#context.departure.mayMoveSockets && !this.hammered) await this.#pause(LOOK_EVERY);
    await closer.begin();
  }

  /** Resolves when no connection is left but upgraded ones that stay, which are the application's to close, and none can come. */
  async #quiet(): Promise<void> {
    const { servers, departure, expectsConnections } = this.#context;
    const quiet = () => servers.quiet && this.#goodbyes.done && !departure.busy && !expectsConnections();
    while (!(quiet() || this.hammered)) await this.#pause(LOOK_EVERY);
  }

  /** Resolves when no connection and no hold is left, and no connection can come. */
  #drained(): Promise<void> {
    const { servers, holds, departure, expectsConnections } = this.#context;
    return new Promise((resolve) => {
      this.#checkDrained = () => {
        if (servers.empty && holds.count === 0 && !departure.busy && !expectsConnections()) resolve();
      };
      this.#checkDrained();
    });
  }

  /** Somebody else ends the process, such as a listener of the application. */
  #onExit(): void {
    const requests = this.#context.servers.activeRequests;
    if (requests > 0)
      this.#context
        .logger()
        .warn(`The process exits before it has drained: ${requests} requests in flight are cut off.`);
  }

  #hammer(): void {
    if (this.#onLate) {
      this.#onLate();
      return;
    }
    const { servers, events, holds } = this.#context;
    const logger = this.#context.logger();
    for (const tracked of servers.all()) this.#stopAccepting(tracked);
    this.#forced = hammerServers(servers.all(), this.#context.world.now(), this.#began);
    const nothing = this.#forced.requests.length + connectionsIn(this.#forced) + holds.count === 0;
    // It has only waited for what an older process might send.
    if (nothing && this.#context.expectsConnections()) return;
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
