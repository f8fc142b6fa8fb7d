import type { Server, Socket } from 'node:net';
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import type { Older } from '../chain/older.js';
import { Olders } from '../chain/olders.js';
import { Intake } from '../connections/intake.js';
import { Servers } from '../connections/servers.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import { type EndlessError, messageOf } from '../errors.js';
import { Events } from '../events.js';
import { concerns } from '../handoff/inheritance.js';
import { Predecessor } from '../handoff/predecessor.js';
import type { Handoff, ToSuccessor } from '../handoff/protocol.js';
import { ChildSpawner } from '../handoff/spawn.js';
import { Hooks } from '../hooks.js';
import type { ListenOptions } from '../listen/create-server.js';
import { Log, silent, textLogger } from '../log.js';
import { Departure } from '../migrate/departure.js';
import { Protocols } from '../migrate/protocols.js';
import type { RawHandle } from '../node-private/handle.js';
import type { Handover, RestartResult } from '../restart/context.js';
import { Restarts } from '../restart/restarts.js';
import type { Settings } from '../settings.js';
import { SettingsStore } from '../settings-store.js';
import { Apps } from '../shutdown/closing.js';
import type { ShutdownResult } from '../shutdown/context.js';
import { Exit } from '../shutdown/exit.js';
import { ProgressLine } from '../shutdown/progress.js';
import { Shutdown } from '../shutdown/shutdown.js';
import type { HookableSignal } from '../signals/signals.js';
import { PidFile } from '../supervisor/pid-file.js';
import { Surroundings } from '../supervisor/surroundings.js';
import { ServiceManager } from '../supervisor/systemd.js';
import { waitForWorkers } from '../supervisor/workers.js';
import { Candidate } from '../takeover/candidate.js';
import { Probation } from '../takeover/probation.js';
import { type Release, WaitGroup } from '../wait-group.js';
import type { World } from '../world.js';
import { AppDrains } from './app-drains.js';
import { Listeners } from './listeners.js';
import { CurrentPhase, type Draining, type State } from './phase.js';
import { passes, predecessorTooSlow, shuttingDown, whyNotRestart } from './refusals.js';
import { effectOf, StopSignals } from './signals.js';

/** Time that a hook before the hammer has. */
const HAMMER_HOOK_TIME = 1_000;

/** The one lifecycle of a process: the only place that changes its state. */
export class Lifecycle {
  readonly world: World;
  readonly version: string;
  readonly log: Log;
  readonly settings = new SettingsStore();
  readonly hooks: Hooks;
  readonly events: Events;
  readonly waits = new WaitGroup();
  readonly servers = new Servers(this.waits, () => this.#restart.needsSockets);
  readonly protocols: Protocols;
  readonly abort = new AbortController();
  readonly apps = new Apps();
  /** Resolves when this process has drained. */
  readonly done: Promise<void>;

  readonly #phase: CurrentPhase;
  /** What this process is a successor of, before it has taken anything. */
  readonly #promised: Handoff | undefined;
  #generation: number;
  #migrated = 0;
  #installed = false;
  /** With `register` every server of the program is meant, also one that comes after the last was closed. */
  #watchForGood = false;
  #stopWatching: (() => void) | undefined;
  /** Whether the watching ended because the application closed its last server: one that comes now is no oversight. */
  #retired = false;
  #predecessor: Predecessor | undefined;
  /** The predecessor, once it hands connections over. */
  #parent: Older | undefined;
  /** Whether the predecessor has taken its place back: what happens here is no affair of its any more. */
  #sentAway = false;
  readonly #stopSignals = new StopSignals();
  /** Whether a stop waits for a candidate that may accept already, and whether it has to force-close at once then. */
  #stopWaits = false;
  #hammersThen = false;
  #left = false;
  #surroundings: Surroundings | undefined;
  #serviceManager: ServiceManager | undefined;
  readonly #progress: ProgressLine;
  readonly #appDrains: AppDrains;
  readonly #listeners: Listeners;
  readonly #pidFile: PidFile;
  #resolveDone: () => void = () => {};
  readonly #intake: Intake;
  readonly #restart: Restarts;
  readonly #olders: Olders;
  readonly #exit: Exit;

  constructor(world: World, version: string) {
    this.world = world;
    this.version = version;
    this.#phase = new CurrentPhase(world.debug);
    this.#promised = Predecessor.peek(world);
    this.#generation = this.#promised?.generation ?? 0;
    world.debug.generation = this.#generation;
    this.#progress = new ProgressLine(world);
    this.log = new Log(textLogger(world, () => this.#progress.erase()));
    this.hooks = new Hooks(this.log);
    this.events = new Events(this.log);
    this.protocols = new Protocols(this.log, () => this.#olders.tellProtocols());
    this.#listeners = new Listeners({
      world,
      settings: this.settings,
      hooks: this.hooks,
      log: this.log,
      surroundings: () => this.#surroundings,
      onSignal: (signal) => void this.#onSignal(signal),
      mayEverRestart: () => this.#mayEverRestart(),
    });
    this.#pidFile = new PidFile(world);
    this.#appDrains = new AppDrains(world, this.servers);
    this.#intake = new Intake({
      world,
      servers: this.servers,
      settings: this.settings,
      log: this.log,
      generation: () => this.#generation,
      claim: (server, asked, ipv6Only) =>
        Boolean(
          this.#phase.candidate?.claim(server, asked, ipv6Only) ||
            this.#surroundings?.activated?.claim(server, asked),
        ),
      expectsAll: () => !this.#retired,
      onListening: (server) => this.#listening(server),
    });
    this.#olders = new Olders({
      world,
      protocols: this.protocols,
      waits: this.waits,
      // Once the hammer has fallen they are better off with the old process.
      servers: () => (this.#phase.end?.shutdown.hammered ? [] : this.servers.all()),
      adopter: () => (this.#phase.end?.shutdown.onlyWaits ? this.#restart.adopter : undefined),
      adopts: () => !this.#left,
      busy: () => this.#isBusy,
      log: this.log,
      onMoved: (address) => this.#moved(address),
      onHandedOn: (older, pid) =>
        this.log.info(`Handed generation ${older}, which drains, on to pid ${pid}.`),
    });
    this.#restart = new Restarts({
      world,
      log: this.log,
      settings: this.settings,
      servers: this.servers,
      hooks: this.hooks,
      events: this.events,
      olders: this.#olders,
      spawner: new ChildSpawner(world),
      createDeparture: (signal, to) => this.#createDeparture('restart', signal, to),
      drain: (signal, { departure, began }, handed) => {
        const run = this.#drain('restart', signal, departure, handed, began);
        const { shutdown } = this.#phase.end as Draining;
        void run().then(() => this.#exit.run(shutdown));
        this.#olders.handOn();
        return shutdown;
      },
      keep: () => {
        this.#closeNow();
        this.#pidFile.write(this.settings.current.pidFile, this.log);
      },
      closeNow: () => this.#closeNow(),
      restartAgain: (signal) => void this.#restartBySignal(signal),
      prune: (left) => this.#prune(left),
    });
    this.#exit = new Exit({
      world,
      log: this.log,
      settings: this.settings,
      olders: this.#olders,
      restarts: this.#restart,
      ownEnd: this.#listeners.ownEnd,
      hasOlder: () => this.#predecessor !== undefined && !this.#sentAway,
      atTerminal: () => this.#surroundings?.terminal.there ?? false,
      reported: (shutdown) => this.#serviceManager?.finish(shutdown),
      leave: () => {
        this.#left = true;
        this.#listeners.stop();
      },
    });
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
    // A program may look for a free port before it uses endless.
    if (isMainThread && this.#promised) this.#watch();
  }

  get state(): State {
    return this.#phase.state;
  }

  get generation(): number {
    return this.#generation;
  }

  get failedRestarts(): number {
    return this.#restart.failed;
  }

  /** Connections that came from the old process alive, or left for the new one. */
  get migrated(): number {
    return this.#migrated;
  }

  /** Whether this process is stopping for good; never true because of a restart. */
  get stopping(): boolean {
    return this.#phase.end?.shutdown.reason === 'shutdown';
  }

  /** Whether a request on an old connection of this server is late: this process drains, and the connection stays here. */
  isLate(server: Server | undefined): boolean {
    const tracked = server && this.servers.get(server);
    const { end } = this.#phase;
    return end !== undefined && !(tracked && end.departure.moves(tracked));
  }

  configure(given: Settings): void {
    this.settings.configure(given);
    const { logger } = given;
    if (logger !== undefined) this.log.configure(logger || silent);
    if (given.signals) this.listenToWanted();
  }

  // --- coming in ---

  /** First use: reads the handoff, and from now on sees every server that begins to listen. */
  install({ forGood = false } = {}): void {
    this.#watchForGood ||= forGood;
    if (!isMainThread || this.state === 'terminated') return;
    if (!this.#installed) {
      this.#installed = true;
      this.#surroundings = new Surroundings({
        world: this.world,
        events: this.events,
        log: this.log,
        onStop: () => void this.#shutdownBySignal('SIGTERM'),
        onTerminalGone: () => void this.world.signals.emit('SIGHUP', 'SIGHUP', constants.signals.SIGHUP),
      });
      const candidate = Candidate.find({
        world: this.world,
        version: this.version,
        settings: this.settings,
        log: this.log,
        servers: this.servers,
        olders: this.#olders,
        beforeOpening: () => this.#aboutToAccept(),
        onGo: (window) => this.#becomeNewest(window),
      });
      if (candidate) {
        this.#begin(candidate);
        this.#predecessor = candidate.predecessor;
        this.#parent = this.#olders.add(this.#predecessor);
        this.#generation = this.#predecessor.handoff.generation;
        this.world.debug.generation = this.#generation;
        this.#listeners.listen();
        this.#predecessor.handlersAreIn();
        this.#surroundings.keep(this.#predecessor.handoff);
        this.#pidFile.inherit(this.#predecessor.handoff.pidFile);
      } else this.#surroundings.look();
      this.#serviceManager = ServiceManager.find({
        world: this.world,
        events: this.events,
        signal: this.abort.signal,
        stopping: () => this.stopping && !this.#sentAway,
        log: this.log,
        fd: this.#surroundings.kept.notify,
      });
    }
    this.#watch();
  }

  #begin(candidate: Candidate): void {
    const { current } = this.#phase;
    if (current.name === 'draining') {
      this.#phase.enter({ ...current, candidate });
      candidate.refuse('it is shutting down');
    } else this.#phase.enter({ name: 'candidate', candidate });
  }

  #watch(): void {
    this.#stopWatching ??= this.world.watchListening({
      beforeListen: (server, options) =>
        this.#guard(() => {
          if (!this.#installed && concerns(options, this.#promised)) this.install();
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
    if (!this.servers.get(server)) {
      this.install();
      this.#intake.listening(server);
    }
    this.servers.adopt(server, socket);
  }

  /** The live connections of this server stay, whatever the setting is. */
  keepConnections(server: Server): void {
    this.install();
    this.servers.setMigrate(server, false);
    this.#tellKept();
  }

  /** The old process offers no connection of these; it is told before it hears that this one is ready. */
  #tellKept(): void {
    const addresses = this.servers.keeping;
    if (addresses.length > 0) this.#predecessor?.send({ type: 'keeps', addresses });
  }

  /** "These are all": generation 0 is ready although it does not listen, a candidate although addresses are left. */
  ready(): void {
    this.install();
    const { candidate } = this.#phase;
    if (candidate) candidate.complete();
    else if (this.state === 'init' && isMainThread) {
      this.#pidFile.write(this.settings.current.pidFile, this.log);
      this.#becomeReady();
    }
  }

  hold(): Release {
    this.install();
    return this.waits.take('holds');
  }

  /** A subscriber of the listen channel must never throw. */
  #guard(fn: () => unknown): void {
    try {
      fn();
    } catch (error) {
      this.log.error(`endless could not look after a server: ${messageOf(error)}`);
    }
  }

  #listening(server: Server): void {
    server.once('close', () => this.#closed(server));
    this.#tellKept();
    const { candidate } = this.#phase;
    if (candidate) {
      candidate.changed();
      return;
    }
    this.#intake.begin(server);
    if (this.state !== 'init') return;
    this.#pidFile.write(this.settings.current.pidFile, this.log);
    this.#becomeReady();
  }

  /** The application has closed a server; a drain has its own way of noticing. */
  #closed(server: Server): void {
    const { current, candidate, end } = this.#phase;
    if (this.#restart.undecided || end || server.listening) return;
    const used = this.servers.get(server)?.used;
    this.servers.remove(server);
    if (candidate) {
      candidate.changed();
      return;
    }
    if (this.servers.size > 0 || current.name !== 'serving') return;
    this.#phase.enter({ ...current, name: 'starting' });
    this.#listeners.stop();
    // A server that never had a connection may have been a port check, and the real one is still to come.
    if (this.#watchForGood || this.apps.used || !(used || this.#intake.expected(server))) return;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    this.#retired = true;
    // The same server may be made to listen again.
    server.once('listening', () => this.install());
  }

  /** Before the old process hears that this one accepts: it would remove a pid file that still names it. */
  #aboutToAccept(): void {
    this.#pidFile.write(this.settings.current.pidFile, this.log);
    for (const { server } of this.servers.all()) this.#intake.begin(server);
  }

  #becomeReady(probation = this.#phase.probation): void {
    if (!this.#phase.enter({ name: 'serving', ...(probation && { probation }) })) return;
    this.#listeners.listen();
    this.events.emit('ready', { pid: this.world.pid, generation: this.#generation });
  }

  #becomeNewest(window: number): void {
    const { current } = this.#phase;
    if (current.name !== 'candidate') return;
    const { candidate } = current;
    this.#olders.expect(this.#parent as Older);
    const { predecessor, paths } = candidate;
    predecessor.channel.listen((message, handle) => this.#hearPredecessor(message, handle));
    const probation = new Probation({
      world: this.world,
      log: this.log,
      settings: this.settings,
      servers: this.servers,
      predecessor,
      paths,
      window,
    });
    void probation.abandoned().then(() => this.#becomeFinal());
    // Last, since who hears of it may stop the process again at once.
    this.#becomeReady(probation);
  }

  /** The predecessor does not come back any more. */
  #becomeFinal(): void {
    if (!this.#phase.probation?.commit()) return;
    this.#serviceManager?.becomeMain();
    this.#prune(this.settings.current.maxDraining);
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
    const draining = this.#phase.end !== undefined;
    const effect = effectOf(came, this.settings.current, this.#surroundings, draining, this.log);
    if (!effect) return;
    const { action, signal } = effect;
    if (this.#phase.candidate) return this.#onSignalAsCandidate(signal, action);
    switch (action) {
      case 'restart':
        if (this.#listeners.ownEnd.ends(came)) return;
        return this.#restartBySignal(signal);
      case 'shutdown':
        return this.#shutdownBySignal(signal, this.#listeners.ownEnd.heard(came));
      default: {
        const pre = this.hooks.run('pre', signal);
        // The hammer is there for what never ends: a hook of its own must not hold it up for ever.
        const enough = new Promise<void>((resolve) => this.world.after(HAMMER_HOOK_TIME, resolve));
        await (action === 'hammer' ? Promise.race([pre, enough]) : pre);
        this.log.info(`Received ${signal}.`);
        if (action === 'hammer') this.hammer();
        await this.hooks.run('post', signal);
      }
    }
  }

  #onSignalAsCandidate(signal: HookableSignal, action: string | false): void {
    if (action === 'shutdown') {
      this.log.info(`Received ${signal}. while starting: leaving.`);
      // As a shell would report it.
      this.world.exit(128 + constants.signals[signal]);
    } else this.log.info(`Received ${signal}. while starting: ignored.`);
  }

  async #restartBySignal(signal: HookableSignal): Promise<void> {
    const { waits, underWay, undecided, newest } = this.#restart;
    if (waits) {
      this.log.info(`Received ${signal}. A restart waits for the end of the rollback window already.`);
      return;
    }
    if (underWay) {
      this.log.info(`Received ${signal}. A restart is under way: one more will follow it.`);
      this.#restart.remember();
      return;
    }
    if (undecided) {
      this.log.info(
        `Received ${signal}. It is passed on to pid ${newest}; if that fails now, this process restarts.`,
      );
      this.#restart.remember();
      return;
    }
    // A service manager that has sent the signal waits for an answer.
    const refusal = this.#whyNotRestart();
    if (refusal && !this.#phase.end) this.#serviceManager?.notReloaded(refusal.message);
    try {
      await this.restart(signal);
    } catch (error) {
      this.log.error(messageOf(error));
    }
  }

  /** `raised`: the application has raised the signal again, having done its part. */
  async #shutdownBySignal(signal: HookableSignal, raised = false): Promise<void> {
    if (raised && (this.state === 'terminated' || this.#listeners.ownEnd.hasRaised(signal))) return;
    const which = this.#stopSignals.next(this.world.now());
    if (which === 'same') return;
    if (which === 'second') {
      this.log.info(`Received ${signal}. again: hammering.`);
      this.hammer();
      return;
    }
    const crossing = this.#crossing();
    if (crossing) await crossing;
    const committed = this.#restart.commit();
    if (committed) await committed;
    const { end } = this.#phase;
    if (end) {
      this.log.info(`Received ${signal}. Draining already; once more hammers.`);
      // The caller of `shutdown()` wanted to go on; whoever sent the signal wants an end.
      await end.result;
      await this.#exit.run((this.#phase.end as Draining).shutdown);
      return;
    }
    await this.#beginShutdown(signal, () => this.log.info(`Received ${signal}.`));
    await this.#exit.run((this.#phase.end as Draining).shutdown);
  }

  // --- restart ---

  /** Replaces this process; the signal says whose hooks run. */
  async restart(signal: HookableSignal = 'SIGHUP'): Promise<RestartResult> {
    const refusal = this.#whyNotRestart();
    if (refusal) throw refusal;
    this.#listeners.sayWithheld();
    const { fd } = this.#pidFile;
    return this.#restart.restart({
      signal,
      generation: this.#generation,
      surroundings: { ...this.#surroundings?.kept, ...(fd !== undefined && { pidFile: fd }) },
      predecessorCommitted: this.#predecessorCommitted(),
    });
  }

  #whyNotRestart(): EndlessError | undefined {
    const { undecided, underWay, newest } = this.#restart;
    return whyNotRestart({
      world: this.world,
      surroundings: this.#surroundings,
      settings: this.settings.current,
      newest,
      ending: undecided || this.#phase.end !== undefined,
      starting: this.state === 'init',
      underWay,
    });
  }

  #shuttingDown(): EndlessError {
    return shuttingDown(this.#restart.newest);
  }

  /** A chain has at most one open window: a restart waits until the predecessor has committed its own. */
  async #predecessorCommitted(): Promise<void> {
    const { probation } = this.#phase;
    if (!probation?.open) return;
    this.log.info('The rollback window of this process is open: it restarts once that is over.');
    const { startTimeout } = this.settings.current;
    if (await probation.overWithin(startTimeout)) return;
    throw predecessorTooSlow(startTimeout);
  }

  #createDeparture(reason: 'restart' | 'shutdown', signal: HookableSignal, to?: Handover): Departure {
    const { migrate, idleGrace } = this.settings.current;
    return new Departure({
      world: this.world,
      protocols: this.protocols,
      servers: this.servers,
      log: this.log,
      waits: this.waits,
      to,
      migrate,
      idleGrace: idleGrace ?? (reason === 'shutdown' && signal === 'SIGINT' ? 0 : 5_000),
      onMoved: (address) => this.#moved(address),
    });
  }

  #hearPredecessor(message: ToSuccessor, handle: RawHandle | undefined): void {
    switch (message.type) {
      case 'committed':
        this.#becomeFinal();
        break;
      case 'restart-again':
        void this.#restartBySignal('SIGHUP');
        break;
      case 'retire':
        this.#retire(message.deadline);
        break;
      default:
        this.#olders.hear(this.#parent as Older, message, handle);
    }
  }

  /** The predecessor has taken its place back: what this process holds is brought to its end, and nothing else. */
  #retire(deadline: number): void {
    if (!this.#sentAway) {
      this.log.error('The old process has taken its place back: this one leaves.');
      this.#sentAway = true;
      this.#olders.release();
      this.#parent?.reception.release();
      this.#phase.probation?.rollBack();
      void this.#beginShutdown('SIGTERM', () => {}).then(() =>
        this.#exit.run((this.#phase.end as Draining).shutdown),
      );
    }
    this.#parent?.expectNoMore();
    this.#exit.dismiss();
    this.#phase.end?.shutdown.limit(deadline);
  }

  #moved(address: string): void {
    this.#migrated += 1;
    this.events.emit('migrated', { address });
  }

  /** Newer generations drain too: whoever is beyond the last that may ends now. */
  #prune(left: number): void {
    if (this.#isBusy && left <= 0) {
      this.log.warn(
        `More than \`maxDraining\` generations are draining requests: hammering generation ${this.#generation}.`,
      );
      this.hammer();
    }
    this.#olders.prune(left);
  }

  get #isBusy(): boolean {
    return this.#phase.end !== undefined && this.servers.activeRequests > 0;
  }

  // --- the end ---

  /** Drains this process for good, without ending it. */
  async shutdown(): Promise<ShutdownResult> {
    const result = await this.#beginShutdown('SIGTERM', () => {});
    // The caller goes on, and shall be stopped by a signal like any program.
    if (!this.#stopSignals.came) this.#listeners.stop();
    return result;
  }

  /** Resolves when a candidate that may accept already has taken over or is gone; undefined where there is none. */
  #crossing(): Promise<void> | undefined {
    const crossing = this.#restart.crossing(this.#shuttingDown());
    this.#stopWaits ||= crossing !== undefined;
    return crossing;
  }

  #beginShutdown(signal: HookableSignal, announce: () => void): Promise<ShutdownResult> {
    const undecided = this.#crossing() ?? this.#restart.commit();
    if (undecided) return undecided.then(() => this.#beginShutdown(signal, announce));
    const { end, candidate } = this.#phase;
    if (end) return end.result;
    announce();
    candidate?.refuse('it is shutting down');
    if (!this.#sentAway) this.#becomeFinal();
    const departure = this.#createDeparture('shutdown', signal);
    const run = this.#drain('shutdown', signal, departure);
    const told = this.#stopSignals.came && this.#listeners.own.count(signal) > 0;
    waitForWorkers(this.waits, told, this.#watchForGood);
    return run(this.#restart.stop(this.#shuttingDown()));
  }

  /** The connections of this process come to their end; what is returned runs that, and takes what resolves when no candidate is left. */
  #drain(
    reason: 'restart' | 'shutdown',
    signal: HookableSignal,
    departure: Departure,
    handed: ReadonlySet<string> = new Set(),
    began = this.world.now(),
  ): (candidateGone?: Promise<unknown>) => Promise<ShutdownResult> {
    const shutdown = new Shutdown(
      reason,
      signal,
      {
        world: this.world,
        servers: this.servers,
        waits: this.waits,
        protocols: this.protocols,
        hooks: this.hooks,
        events: this.events,
        settings: this.settings,
        log: this.log,
        olders: this.#olders,
        apps: this.apps,
        abort: this.abort,
        departure,
        handed,
        // Its place is taken already: nobody has to learn first that it goes.
        delays: !this.#sentAway,
        ...(this.settings.current.logger === undefined && { progress: this.#progress }),
      },
      began,
    );
    let resolve: (result: ShutdownResult | Promise<never>) => void = () => {};
    const result = new Promise<ShutdownResult>((settle) => {
      resolve = settle;
    });
    const { candidate, probation } = this.#phase;
    const owned = { ...(candidate && { candidate }), ...(probation && { probation }) };
    this.#phase.enter({ name: 'draining', shutdown, departure, result, ...owned });
    shutdown.begin(this.settings.current.hammerTime);
    if (this.#hammersThen) shutdown.hammer();
    if (reason === 'shutdown') this.#restart.retire(shutdown.left);
    return (candidateGone) => {
      void shutdown.run(candidateGone).then(
        (drained) => {
          this.#phase.enter({ ...(this.#phase.current as Draining), name: 'drained' });
          this.#pidFile.remove();
          this.#stopWatching?.();
          this.#stopWatching = undefined;
          this.#resolveDone();
          resolve(drained);
        },
        (error) => resolve(Promise.reject(error)),
      );
      return result;
    };
  }

  /** The application closes some of its servers by itself: their connections end the way a shutdown ends them. */
  drainServers(closes: (tracked: TrackedServer) => boolean): void {
    if (this.#phase.end) return;
    this.#appDrains.drain(closes, this.#restart.needsSockets);
  }

  /** Closes what the application has closed while a restart needed it. */
  #closeNow(): void {
    this.#appDrains.resume((closes) => this.drainServers(closes));
  }

  /** Ends at once what is still running; only while draining. */
  hammer(): void {
    const committed = this.#restart.commit();
    // A process that has drained itself may still wait for older ones.
    if (committed) void committed.then(() => this.hammer());
    else if (this.#phase.end && !this.#left) this.#phase.end.shutdown.hammer();
    else if (this.#stopWaits && !this.#left) this.#hammersThen = true;
    else this.log.info('Nothing is shutting down: the hammer is ignored.');
  }
}
