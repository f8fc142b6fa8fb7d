import type { TrackedServer } from '../connections/tracked-server.js';
import { stopAccepting } from '../drain/drain.js';
import { connectionsIn, type Hammered, hammerServers } from '../drain/hammer.js';
import { label } from '../listen/address.js';
import { leavePath } from '../listen/unix-path.js';
import { CloseNotices } from '../migrate/close-notices.js';
import { DEFAULTS } from '../settings.js';
import type { HookableSignal } from '../signals/signals.js';
import { Closing } from './closing.js';
import type { ShutdownContext, ShutdownResult } from './context.js';
import { Deadline } from './deadline.js';
import { reportEarlyExit } from './early-exit.js';
import { reportForced } from './force-close.js';
import { leftOf } from './progress.js';

/** Time that post hooks still get after the deadline. */
const AFTER_HAMMER = 100;

/** The shutdown of a process, by request or because its successor has taken over; it cannot be undone. */
export class Shutdown {
  readonly reason: 'restart' | 'shutdown';
  readonly #trigger: HookableSignal;
  readonly #context: ShutdownContext;
  readonly #deadline: Deadline;
  readonly #began: number;
  #forced: Hammered = { requests: [], connections: {} };
  /** What happens at the deadline once this process has drained. */
  #onLate: (() => void) | undefined;
  readonly #closeNotices: CloseNotices;

  /** The trigger names the hooks that run; nothing happens before {@link begin}. */
  constructor(
    reason: 'restart' | 'shutdown',
    trigger: HookableSignal,
    context: ShutdownContext,
    began = context.world.now(),
  ) {
    this.reason = reason;
    this.#trigger = trigger;
    this.#context = context;
    this.#began = began;
    const { protocols, world, departure, waits } = context;
    this.#closeNotices = new CloseNotices(protocols, world, departure.offers);
    this.#deadline = new Deadline(world, () => this.#force());
    waits.onChange(() => this.#releaseEmpty());
  }

  /** Sets the deadline, which counts from `began`. */
  begin(hammerTime: number): void {
    const left = hammerTime < 0 ? -1 : Math.max(0, hammerTime - (this.#context.world.now() - this.#began));
    // A restart does not shorten the drain of older generations; a stop of the newest stops them all.
    if (this.reason === 'shutdown') this.limit(left);
    else this.#deadline.within(left);
  }

  /** Whether the deadline has come. */
  get hammered(): boolean {
    return this.#deadline.expired;
  }

  /** Milliseconds until the deadline; -1 without a deadline. */
  get left(): number {
    return this.#deadline.left;
  }

  /** Resolves at the deadline. */
  get fallen(): Promise<void> {
    return this.#deadline.passed;
  }

  /** Whether a request was force-closed. */
  get cutRequests(): boolean {
    return this.#forced.requests.length > 0;
  }

  /** Whether nothing is left here: this process only waits for older ones, while its successor serves on. */
  get onlyWaits(): boolean {
    const { waits, departure } = this.#context;
    return this.reason === 'restart' && !departure.isOfAll && waits.onlyOlder;
  }

  /** Moves the deadline to at most `ms` from now (-1: unchanged), here and in every older generation. */
  limit(ms: number): void {
    this.#deadline.within(ms);
    const { olders, departure } = this.#context;
    // Each uses the earlier of its own deadline and `ms`, and not what is left of this process's deadline.
    olders.stop(ms, departure.staying.idleGrace);
  }

  /** The successor stops within `ms`, and this process too. */
  stopToo(ms: number): void {
    this.limit(ms);
    if (this.#onLate) this.#deadline.resume();
    if (!this.hammered) this.#closeNotices.hasten('shutdown', this.#deadline.left);
  }

  /** This process has drained and waits for older ones: in a stop, the deadline limits that too. */
  waitForOlder(): void {
    this.#onLate = () => {};
    if (this.reason === 'shutdown') this.#deadline.resume();
  }

  /** This process has drained: calls `fn` at the deadline, which may still come nearer. */
  whenLate(fn: () => void): void {
    this.#onLate = fn;
    // If its own listeners did not end it, each restart would leave a process behind for good.
    if (this.reason === 'restart' && this.left < 0) this.#deadline.within(DEFAULTS.hammerTime);
    else this.#deadline.resume();
  }

  /** Runs the shutdown, and resolves when this process has drained; it accepts until `candidateGone`. */
  async run(candidateGone?: Promise<unknown>): Promise<ShutdownResult> {
    // A hold, a hook or a half-closed connection keeps no event loop alive, but endless waits for it.
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
    const { world, hooks, events, servers, waits, settings, log, departure, apps } = this.#context;
    const deadline = this.#deadline;
    const { lateRequests, shutdownDelay } = settings.current;
    const closing = new Closing({ ...this.#context, deadline, closeNotices: this.#closeNotices });
    departure.staying.protectIdle(servers.all());
    this.#context.abort.abort();

    if (this.reason === 'shutdown') {
      await deadline.bound(hooks.run('pre', this.#trigger));
      if (this.#context.delays && this.#trigger === 'SIGTERM' && shutdownDelay > 0)
        await deadline.bound(this.#pause(shutdownDelay));
      // While the candidate holds the sockets too, a client in their queue would get a reset at its exit.
      if (candidateGone) await deadline.bound(candidateGone);
    }

    log.info('Waiting for connections to finish...');
    events.emit('draining', { reason: this.reason, deadlineMs: deadline.left });
    this.#context.progress?.begin(() => leftOf(this.#context, deadline.left));
    for (const tracked of servers.all()) {
      this.#stopAccepting(tracked);
      log.info(`${tracked.bound ? label(tracked.bound) : 'unknown'} Listener closed.`);
    }
    departure.begin(servers.all());
    this.#releaseEmpty();
    departure.settle({ rejectsLate: lateRequests === 'reject' && !apps.answerLate });
    this.#closeNotices.begin(departure.isOfAll ? 'shutdown' : this.reason, deadline.left);
    closing.begin();
    await closing.close();
    await deadline.bound(waits.empty());

    for (const { appClose } of servers.all()) appClose.release();
    // Node.js calls back a `server.close()` in the next tick: the application gets that before `done`.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    departure.stop();
    this.#closeNotices.stop();
    this.#context.progress?.end();
    events.emit('drained', { durationMs: world.now() - this.#began });
    // After the deadline, endless still runs everything, but waits only briefly.
    const post = hooks.run('post', this.#trigger);
    await Promise.race([post, deadline.passed.then(() => this.#pause(AFTER_HAMMER))]);
    deadline.cancel();
    log.info('Serve() returning...');
    const forced = { requests: this.#forced.requests.length, connections: connectionsIn(this.#forced) };
    return { forced, durationMs: world.now() - this.#began };
  }

  /** Force-closes at once what is left here and, in a stop, in older generations. */
  hammer(): void {
    if (this.reason === 'shutdown') this.limit(0);
    else this.#deadline.within(0);
  }

  #stopAccepting(tracked: TrackedServer): void {
    const { bound, server } = tracked;
    if (bound && this.#context.handed.has(label(bound))) leavePath(server);
    stopAccepting(tracked);
  }

  /** Shows the application that servers without connections are closed, once no connection can come. */
  #releaseEmpty(): void {
    const { servers, waits } = this.#context;
    if (waits.settled) for (const { empty, appClose } of servers.all()) if (empty) appClose.release();
  }

  /** The deadline has come. */
  #force(): void {
    if (this.#onLate) {
      this.#onLate();
      return;
    }
    const { servers, world } = this.#context;
    for (const tracked of servers.all()) this.#stopAccepting(tracked);
    this.#forced = hammerServers(servers.all(), world.now(), this.#began);
    reportForced(this.#context, this.#forced);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#context.world.after(ms, resolve));
  }
}
