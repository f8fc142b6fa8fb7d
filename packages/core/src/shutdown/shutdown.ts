import type { Servers } from '../connections/servers.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import { stopAccepting } from '../drain/drain.js';
import { connectionsIn, type Hammered, hammerServers, summaryOf } from '../drain/hammer.js';
import type { Events } from '../events.js';
import type { Hooks } from '../hooks.js';
import { label } from '../listen/address.js';
import { leavePath } from '../listen/unix-path.js';
import type { Log } from '../log.js';
import { CloseNotices } from '../migrate/close-notices.js';
import type { Departure } from '../migrate/departure.js';
import type { Protocols } from '../migrate/protocols.js';
import { DEFAULTS } from '../settings.js';
import type { SettingsStore } from '../settings-store.js';
import type { HookableSignal } from '../signals/signals.js';
import type { World } from '../world.js';
import { type Closer, Closing } from './closing.js';
import { Deadline } from './deadline.js';
import { reportEarlyExit } from './early-exit.js';
import type { Holds } from './holds.js';
import type { Left, ProgressLine } from './progress.js';

/** What a shutdown comes to. */
export interface ShutdownResult {
  /** What the hammer had to end by force. */
  forced: { requests: number; connections: number };
  /** Milliseconds from the beginning of the shutdown. */
  durationMs: number;
}

/** What an ending needs of the process that it ends. */
export interface ShutdownContext {
  world: World;
  servers: Servers;
  holds: Holds;
  protocols: Protocols;
  hooks: Hooks;
  events: Events;
  /** Tells every older process that the newest stops within so many milliseconds. */
  stopOlder(ms: number, idleGrace: number): void;
  settings: SettingsStore;
  /** Whether `shutdownDelay` applies. */
  delays: boolean;
  log: Log;
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

/** Time that post hooks still get once the hammer has fallen. */
const AFTER_HAMMER = 100;

/** The end of a process's service, by a shutdown or because its successor has taken over: once begun, it is not taken back. */
export class Shutdown {
  readonly reason: 'restart' | 'shutdown';
  readonly #trigger: HookableSignal;
  readonly #context: ShutdownContext;
  readonly #deadline: Deadline;
  readonly #began: number;
  #forced: Hammered = { requests: [], connections: {} };
  #checkDrained: () => void = () => {};
  /** What the deadline is for once this process has drained. */
  #onLate: (() => void) | undefined;
  readonly #closeNotices: CloseNotices;

  /** `hammerTime` counts from `began`; the trigger names the hooks that run. */
  constructor(
    reason: 'restart' | 'shutdown',
    trigger: HookableSignal,
    hammerTime: number,
    context: ShutdownContext,
    began = context.world.now(),
  ) {
    this.reason = reason;
    this.#trigger = trigger;
    this.#context = context;
    this.#began = began;
    const { protocols, world, departure } = context;
    this.#closeNotices = new CloseNotices(protocols, world, departure.offers);
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
    if (this.#onLate) this.#deadline.resume();
    if (!this.hammered) this.#closeNotices.hasten('shutdown', this.#deadline.left);
  }

  /** Something has ended: looks whether anything is left. */
  check(): void {
    if (this.#settled)
      for (const { empty, appClose } of this.#context.servers.all()) if (empty) appClose.release();
    this.#checkDrained();
  }

  /** This process has drained and waits for older ones: a stop bounds that too. */
  waitForOlder(): void {
    this.#onLate = () => {};
    if (this.reason === 'shutdown') this.#deadline.resume();
  }

  /** This process has drained: calls `fn` at the deadline, which may still come nearer. */
  whenLate(fn: () => void): void {
    this.#onLate = fn;
    // Each restart would leave a process behind for good, if its own listeners did not end it.
    if (this.reason === 'restart' && this.left < 0) this.#deadline.within(DEFAULTS.hammerTime);
    else this.#deadline.resume();
  }

  /** Runs the whole ending and resolves when this process has drained; it accepts until `candidateGone` resolves. */
  async run(candidateGone?: Promise<unknown>): Promise<ShutdownResult> {
    // A hold, a hook or a half-closed connection keeps no event loop alive, and is waited for all the same.
    const { world, servers, log } = this.#context;
    const release = world.stayAlive();
    const stopWatching = reportEarlyExit(world, servers, log);
    try {
      return await this.#run(candidateGone);
    } finally {
      stopWatching();
      release();
    }
  }

  async #run(candidateGone?: Promise<unknown>): Promise<ShutdownResult> {
    const { world, hooks, events, servers, departure, progress, delays, onBegun } = this.#context;
    const quiet = () => servers.quiet && this.#closeNotices.done && this.#settled;
    const closing = new Closing({ ...this.#context, deadline: this.#deadline, quiet });
    const settings = this.#context.settings.current;
    const log = this.#context.log;
    departure.protectIdle(servers.all());
    onBegun();
    if (this.reason === 'shutdown') {
      await this.#deadline.bound(hooks.run('pre', this.#trigger));
      const shutdownDelay = delays ? settings.shutdownDelay : 0;
      if (this.#trigger === 'SIGTERM' && shutdownDelay > 0)
        await this.#deadline.bound(this.#pause(shutdownDelay));
      // Who connects while it holds the sockets too would wait in their queue, and be reset when it is gone.
      if (candidateGone) await this.#deadline.bound(candidateGone);
    }
    log.info('Waiting for connections to finish...');
    events.emit('draining', { reason: this.reason, deadlineMs: this.#deadline.left });
    progress?.begin(() => this.#left());
    for (const tracked of servers.all()) {
      this.#stopAccepting(tracked);
      log.info(`${tracked.bound ? label(tracked.bound) : 'unknown'} Listener closed.`);
    }
    departure.begin(servers.all());
    this.check();
    departure.settle({ rejectsLate: settings.lateRequests === 'reject' && !this.#context.answersLate() });
    this.#closeNotices.begin(departure.isOfAll ? 'shutdown' : this.reason, this.#deadline.left);
    closing.begin();
    await closing.close();
    await this.#deadline.bound(this.#drained());
    for (const { appClose } of servers.all()) appClose.release();
    // Node calls back a `server.close()` in the next tick: the application gets that before `done`.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    departure.stop();
    this.#closeNotices.stop();
    progress?.end();
    events.emit('drained', { durationMs: world.now() - this.#began });
    // Once the hammer has fallen nothing is awaited for long, but nothing is left out either.
    const post = hooks.run('post', this.#trigger);
    await Promise.race([post, this.#deadline.passed.then(() => this.#pause(AFTER_HAMMER))]);
    this.#deadline.cancel();
    const { requests } = this.#forced;
    log.info('Serve() returning...');
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

  /** Whether no connection is between two processes, and none can come. */
  get #settled(): boolean {
    return !this.#context.departure.busy && !this.#context.expectsConnections();
  }

  /** Resolves when no connection and no hold is left, and no connection can come. */
  #drained(): Promise<void> {
    const { servers, holds } = this.#context;
    return new Promise((resolve) => {
      this.#checkDrained = () => {
        if (servers.empty && holds.count === 0 && this.#settled) resolve();
      };
      this.#checkDrained();
    });
  }

  #hammer(): void {
    if (this.#onLate) {
      this.#onLate();
      return;
    }
    const { servers, events, holds } = this.#context;
    const log = this.#context.log;
    for (const tracked of servers.all()) this.#stopAccepting(tracked);
    this.#forced = hammerServers(servers.all(), this.#context.world.now(), this.#began);
    const nothing = this.#forced.requests.length + connectionsIn(this.#forced) + holds.count === 0;
    // It has only waited for what an older process might send.
    if (nothing && this.#context.expectsConnections()) return;
    log.warn(`[STOP - Hammer Time] Forcefully shutting down parent`);
    const held = holds.count > 0 ? `; holds: ${holds.count}` : '';
    log.warn(`The hammer ended ${summaryOf(this.#forced)}${held}`);
    events.emit('hammered', this.#forced);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#context.world.after(ms, resolve));
  }
}
