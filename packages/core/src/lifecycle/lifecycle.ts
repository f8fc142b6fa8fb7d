import type { Server, Socket } from 'node:net';
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { Intake } from '../connections/intake.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import { type EndlessError, messageOf } from '../errors.js';
import { concerns } from '../handoff/inheritance.js';
import type { ListenOptions } from '../listen/create-server.js';
import { silent } from '../log.js';
import type { RestartResult } from '../restart/context.js';
import type { Settings } from '../settings.js';
import type { ShutdownResult } from '../shutdown/context.js';
import { Exit } from '../shutdown/exit.js';
import type { HookableSignal } from '../signals/signals.js';
import type { Release } from '../wait-group.js';
import type { World } from '../world.js';
import { Draining } from './draining.js';
import { install } from './install.js';
import { Listeners } from './listeners.js';
import type { State } from './phase.js';
import { passes, whyNotRestart } from './refusals.js';
import { Shared } from './shared.js';
import { effectOf } from './signals.js';
import { Stopping } from './stopping.js';
import { TakingOver } from './taking-over.js';

/** Time that a hook before the hammer has. */
const HAMMER_HOOK_TIME = 1_000;

/** The one lifecycle of a process: the only place that changes its state. */
export class Lifecycle {
  readonly shared: Shared;
  readonly #draining: Draining;
  readonly #stopping: Stopping;
  readonly #takingOver: TakingOver;
  #installed = false;
  /** With `register` every server of the program is meant, also one that comes after the last was closed. */
  #watchForGood = false;
  #stopWatching: (() => void) | undefined;
  /** Whether the watching ended because the application closed its last server: one that comes now is no oversight. */
  #retired = false;
  readonly #listeners: Listeners;
  readonly #intake: Intake;
  readonly #exit: Exit;

  constructor(world: World, version: string) {
    this.shared = new Shared(world, version, {
      createDeparture: (signal, to) => this.#draining.createDeparture('restart', signal, to),
      drain: (signal, { departure, began }, handed) => {
        const hammers = this.#stopping.hammersThen;
        const begun = this.#draining.begin({ reason: 'restart', signal, departure, handed, began, hammers });
        void this.#draining.run(begun).then(() => this.#exit.run(begun.shutdown));
        this.shared.olders.handOn();
        return begun.shutdown;
      },
      keep: () => {
        this.#draining.closeNow();
        this.shared.writePidFile();
      },
      closeNow: () => this.#draining.closeNow(),
      restartAgain: (signal) => void this.#restartBySignal(signal),
      prune: (left) => this.#stopping.prune(left),
    });
    const { shared } = this;
    const { settings, servers, hooks, log, olders, restarts } = shared;
    this.#listeners = new Listeners({
      ...{ world, settings, hooks, log },
      surroundings: () => shared.surroundings,
      onSignal: (signal) => void this.#onSignal(signal),
      mayEverRestart: () => this.#mayEverRestart(),
    });
    this.#intake = new Intake({
      ...{ world, servers, settings, log },
      generation: () => shared.generation,
      claim: (server, asked, ipv6Only) =>
        Boolean(
          shared.phase.candidate?.claim(server, asked, ipv6Only) ||
            shared.surroundings?.activated?.claim(server, asked),
        ),
      expectsAll: () => !this.#retired,
      onListening: (server) => this.#listening(server),
    });
    this.#exit = new Exit({
      ...{ world, log, settings, olders, restarts, ownEnd: this.#listeners.ownEnd },
      hasOlder: () => shared.parent !== undefined && !shared.parent.sentAway,
      atTerminal: () => shared.surroundings?.terminal.there ?? false,
      reported: (shutdown) => shared.serviceManager?.finish(shutdown),
      leave: () => {
        shared.left = true;
        this.#listeners.stop();
      },
    });
    this.#draining = new Draining(shared, () => {
      this.#stopWatching?.();
      this.#stopWatching = undefined;
    });
    this.#stopping = new Stopping(shared, {
      listeners: this.#listeners,
      draining: this.#draining,
      exit: this.#exit,
      commit: () => this.#takingOver.commit(),
      preloaded: () => this.#watchForGood,
    });
    this.#takingOver = new TakingOver(shared, {
      stopping: this.#stopping,
      exit: this.#exit,
      restartAgain: () => void this.#restartBySignal('SIGHUP'),
    });
    // A program may look for a free port before it uses endless.
    if (isMainThread && shared.promised) this.#watch();
  }

  get state(): State {
    return this.shared.phase.state;
  }

  get generation(): number {
    return this.shared.generation;
  }

  get failedRestarts(): number {
    return this.shared.restarts.failed;
  }

  /** Connections that came from the old process alive, or left for the new one. */
  get migrated(): number {
    return this.shared.migrated;
  }

  /** Whether this process is stopping for good; never true because of a restart. */
  get stopping(): boolean {
    return this.shared.phase.end?.shutdown.reason === 'shutdown';
  }

  /** Whether a request on an old connection of this server is late: this process drains, and the connection stays here. */
  isLate(server: Server | undefined): boolean {
    const tracked = server && this.shared.servers.get(server);
    const { end } = this.shared.phase;
    return end !== undefined && !(tracked && end.departure.moves(tracked));
  }

  configure(given: Settings): void {
    this.shared.settings.configure(given);
    const { logger } = given;
    if (logger !== undefined) this.shared.log.configure(logger || silent);
    if (given.signals) this.listenToWanted();
  }

  // --- coming in ---

  /** First use: reads the handoff, and from now on sees every server that begins to listen. */
  install({ forGood = false } = {}): void {
    this.#watchForGood ||= forGood;
    if (!isMainThread || this.state === 'terminated') return;
    if (!this.#installed) {
      this.#installed = true;
      install(this.shared, {
        listeners: this.#listeners,
        onStop: () => void this.#stopping.bySignal('SIGTERM'),
        beforeOpening: () => this.#aboutToAccept(),
        // Last, since a listener of 'ready' may stop the process again at once.
        onGo: (candidate, window) => this.#becomeReady(this.#takingOver.begin(candidate, window)),
      });
    }
    this.#watch();
  }

  #watch(): void {
    this.#stopWatching ??= this.shared.world.watchListening({
      beforeListen: (server, options) =>
        this.#guard(() => {
          if (!this.#installed && concerns(options, this.shared.promised)) this.install();
          if (this.#installed) this.#intake.beforeListen(server, options);
        }),
      listening: (server) => this.#guard(() => this.#installed && this.#intake.listening(server)),
    });
  }

  /** Remembers what `endless.listen` was given for this server. */
  expect(server: Server, address: unknown, options: ListenOptions): void {
    this.#intake.expect(server, address, options);
  }

  /** Runs `fn` before each server begins to accept; returns the undo. */
  beforeBegin(fn: (address: unknown) => void): () => void {
    const { beforeBegin } = this.#intake;
    beforeBegin.push(fn);
    return () => {
      const at = beforeBegin.indexOf(fn);
      if (at >= 0) beforeBegin.splice(at, 1);
    };
  }

  /** Looks after a server that listened before endless was first used; its other connections are Node's to end. */
  adopt(server: Server, socket: Socket): void {
    if (!isMainThread || !server.listening) return;
    if (!this.shared.servers.get(server)) {
      this.install();
      this.#intake.listening(server);
    }
    this.shared.servers.adopt(server, socket);
  }

  /** The live connections of this server stay, whatever the setting is. */
  keepConnections(server: Server): void {
    this.install();
    this.shared.servers.setMigrate(server, false);
    this.#takingOver.tellKept();
  }

  /** "These are all": generation 0 is ready although it does not listen, a candidate although addresses are left. */
  ready(): void {
    this.install();
    const { candidate } = this.shared.phase;
    if (candidate) candidate.complete();
    else if (this.state === 'init' && isMainThread) {
      this.shared.writePidFile();
      this.#becomeReady();
    }
  }

  hold(): Release {
    this.install();
    return this.shared.waits.take('holds');
  }

  /** A subscriber of the listen channel must never throw. */
  #guard(fn: () => unknown): void {
    try {
      fn();
    } catch (error) {
      this.shared.log.error(`endless could not look after a server: ${messageOf(error)}`);
    }
  }

  #listening(server: Server): void {
    server.once('close', () => this.#closed(server));
    this.#takingOver.tellKept();
    const { candidate } = this.shared.phase;
    if (candidate) {
      candidate.changed();
      return;
    }
    this.#intake.begin(server);
    if (this.state !== 'init') return;
    this.shared.writePidFile();
    this.#becomeReady();
  }

  /** The application has closed a server; a drain has its own way of noticing. */
  #closed(server: Server): void {
    const { current, candidate, end } = this.shared.phase;
    if (this.shared.restarts.undecided || end || server.listening) return;
    const used = this.shared.servers.get(server)?.used;
    this.shared.servers.remove(server);
    if (candidate) {
      candidate.changed();
      return;
    }
    if (this.shared.servers.size > 0 || current.name !== 'serving') return;
    this.shared.phase.enter({ ...current, name: 'starting' });
    this.#listeners.stop();
    // A server that never had a connection may have been a port check, and the real one is still to come.
    if (this.#watchForGood || this.shared.apps.used || !(used || this.#intake.expected(server))) return;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    this.#retired = true;
    // The same server may be made to listen again.
    server.once('listening', () => this.install());
  }

  /** Before the old process hears that this one accepts: it would remove a pid file that still names it. */
  #aboutToAccept(): void {
    this.shared.writePidFile();
    for (const { server } of this.shared.servers.all()) this.#intake.begin(server);
  }

  #becomeReady(probation = this.shared.phase.probation): void {
    if (!this.shared.phase.enter({ name: 'serving', ...(probation && { probation }) })) return;
    this.#listeners.listen();
    this.shared.events.emit('ready', { pid: this.shared.world.pid, generation: this.shared.generation });
  }

  // --- signals: one path for the process ---

  /** Looks again which signals are wanted, after a hook or a setting has changed that. */
  listenToWanted(): void {
    this.#listeners.listenToWanted();
  }

  /** Whether this process could be replaced at another moment, if it cannot be now. */
  #mayEverRestart(): boolean {
    const refusal = this.#whyNotRestart();
    return refusal === undefined || passes(refusal);
  }

  async #onSignal(came: HookableSignal): Promise<void> {
    const draining = this.shared.phase.end !== undefined;
    const effect = effectOf(
      came,
      this.shared.settings.current,
      this.shared.surroundings,
      draining,
      this.shared.log,
    );
    if (!effect) return;
    const { action, signal } = effect;
    if (this.shared.phase.candidate) return this.#onSignalAsCandidate(signal, action);
    switch (action) {
      case 'restart':
        if (this.#listeners.ownEnd.ends(came)) return;
        return this.#restartBySignal(signal);
      case 'shutdown':
        return this.#stopping.bySignal(signal, this.#listeners.ownEnd.heard(came));
      default: {
        const pre = this.shared.hooks.run('pre', signal);
        // The hammer is there for what never ends: a hook of its own must not hold it up for ever.
        const enough = new Promise<void>((resolve) => this.shared.world.after(HAMMER_HOOK_TIME, resolve));
        await (action === 'hammer' ? Promise.race([pre, enough]) : pre);
        this.shared.log.info(`Received ${signal}.`);
        if (action === 'hammer') this.#stopping.hammer();
        await this.shared.hooks.run('post', signal);
      }
    }
  }

  #onSignalAsCandidate(signal: HookableSignal, action: string | false): void {
    if (action === 'shutdown') {
      this.shared.log.info(`Received ${signal}. while starting: leaving.`);
      // As a shell would report it.
      this.shared.world.exit(128 + constants.signals[signal]);
    } else this.shared.log.info(`Received ${signal}. while starting: ignored.`);
  }

  async #restartBySignal(signal: HookableSignal): Promise<void> {
    const { waits, underWay, undecided, newest } = this.shared.restarts;
    if (waits) {
      this.shared.log.info(`Received ${signal}. A restart waits for the end of the rollback window already.`);
      return;
    }
    if (underWay) {
      this.shared.log.info(`Received ${signal}. A restart is under way: one more will follow it.`);
      this.shared.restarts.remember();
      return;
    }
    if (undecided) {
      this.shared.log.info(
        `Received ${signal}. It is passed on to pid ${newest}; if that fails now, this process restarts.`,
      );
      this.shared.restarts.remember();
      return;
    }
    // A service manager that has sent the signal waits for an answer.
    const refusal = this.#whyNotRestart();
    if (refusal && !this.shared.phase.end) this.shared.serviceManager?.notReloaded(refusal.message);
    try {
      await this.restart(signal);
    } catch (error) {
      this.shared.log.error(messageOf(error));
    }
  }

  // --- restart ---

  /** Replaces this process; the signal says whose hooks run. */
  async restart(signal: HookableSignal = 'SIGHUP'): Promise<RestartResult> {
    const refusal = this.#whyNotRestart();
    if (refusal) throw refusal;
    this.#listeners.sayWithheld();
    const { fd } = this.shared.pidFile;
    return this.shared.restarts.restart({
      signal,
      generation: this.shared.generation,
      surroundings: { ...this.shared.surroundings?.kept, ...(fd !== undefined && { pidFile: fd }) },
      predecessorCommitted: this.#takingOver.committed(),
    });
  }

  #whyNotRestart(): EndlessError | undefined {
    const { undecided, underWay, newest } = this.shared.restarts;
    return whyNotRestart({
      world: this.shared.world,
      surroundings: this.shared.surroundings,
      settings: this.shared.settings.current,
      newest,
      ending: undecided || this.shared.phase.end !== undefined,
      starting: this.state === 'init',
      underWay,
    });
  }

  // --- the end ---

  /** Resolves when this process has drained. */
  get done(): Promise<void> {
    return this.#draining.done;
  }

  /** Drains this process for good, without ending it. */
  shutdown(): Promise<ShutdownResult> {
    return this.#stopping.shutdown();
  }

  /** Ends at once what is still running; only while draining. */
  hammer(): void {
    this.#stopping.hammer();
  }

  /** The application closes some of its servers by itself: their connections end the way a shutdown ends them. */
  drainServers(closes: (tracked: TrackedServer) => boolean): void {
    this.#draining.drainServers(closes);
  }
}
