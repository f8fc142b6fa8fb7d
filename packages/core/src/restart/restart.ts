import type { Servers } from '../connections/servers.js';
import { decideAfter } from '../decide.js';
import type { EndlessError } from '../errors.js';
import { messageOf } from '../errors.js';
import type { Events } from '../events.js';
import type { ToPredecessor } from '../handoff/protocol.js';
import { type Successor, type Surroundings, successorCommand } from '../handoff/successor.js';
import { ticketKeysOf } from '../handoff/tickets.js';
import { keepPathsOf, pathsLost } from '../handoff/unix-sockets.js';
import type { Hooks } from '../hooks.js';
import { label } from '../listen/address.js';
import type { KeptPaths } from '../listen/kept-paths.js';
import type { Log } from '../log.js';
import type { Departure } from '../migrate/departure.js';
import { SlowStart } from '../migrate/slow-start.js';
import type { SettingsStore } from '../settings-store.js';
import type { Shutdown } from '../shutdown/shutdown.js';
import type { HookableSignal } from '../signals/signals.js';
import type { World } from '../world.js';
import { Attempt, type RestartResult } from './attempt.js';
import { Standby, verdictTime } from './standby.js';

/** Time that pre hooks have before a server that the application closes does close: one of them may wait for it. */
const HOOK_TIME = 100;
/** Time that a successor has after its hammer to be gone. */
const LEAVE_TIME = 5_000;
/** Time that what is still to be said waits while the successor hands the channel on. */
const SAID_TIME = 5_000;

/** What the succession needs of the process that is to be replaced. */
export interface RestartContext {
  world: World;
  servers: Servers;
  hooks: Hooks;
  events: Events;
  settings: SettingsStore;
  log: Log;
  generation(): number;
  /** What the successor keeps of the surroundings in which the first process was started. */
  surroundings(): Surroundings;
  /** Resolves when the process before this one does not come back any more. */
  predecessorCommitted(): Promise<void>;
  /** Why this process is not to be replaced, if it has begun to stop meanwhile. */
  stopping(): EndlessError | undefined;
  /** Prepares the departure of the connections to the successor. */
  createDeparture(signal: HookableSignal, to: Handover): Departure;
  /** The end of this process, once it has begun. */
  ending(): Shutdown | undefined;
  /** The successor stays: this process comes to its end. */
  onCommit(standby: Standby, handed: ReadonlySet<string>): void;
  /** No successor: the place of this process is its own again. */
  onKept(): void;
  /** A pre hook may wait until a server has closed that a restart would keep. */
  onHookWaits(): void;
  /** A restart was asked for while one was under way that has failed. */
  onAgain(signal: HookableSignal): void;
  /** Another process is the newest now: those before this one shall know. */
  onNewest(pid: number): void;
  /** Newer generations drain too: so many of those before this one may go on. */
  onPrune(left: number): void;
  /** Whether the successor may give its end of the channel away now. */
  mayPause(): boolean;
  /** The successor has the channel to the older process of this generation, or could not take it. */
  onAdopted(generation: number, done: boolean): void;
}

/** Who takes the place of this process, and what goes there how fast. */
export interface Handover {
  successor: Successor;
  slowStart: SlowStart;
  /** The paths of the unix sockets that it serves. */
  paths: KeptPaths;
  /** Labels of the addresses that the successor serves. */
  handed: ReadonlySet<string>;
}

/** How a process is replaced, from the request to restart until its successor stays or its place is its own again. */
export class Restart {
  readonly #context: RestartContext;
  #attempt: Attempt | undefined;
  /** While a successor serves and can still be replaced by this process. */
  #standby: Standby | undefined;
  #successor: Successor | undefined;
  #newest: number | undefined;
  /** Successors that were sent away and may be draining yet. */
  readonly #retiring = new Set<Successor>();
  /** What was leaving for the last of them. */
  #takenBack: Departure | undefined;
  /** Whether another restart was asked for meanwhile, which is this process's to make if it serves on. */
  #again = false;
  /** Whether a restart waits until the process before this one has committed. */
  #waits = false;
  /** Whether the pre hooks run so long that one of them may wait for the end of a server. */
  #hookMayWait = false;
  /** Settles with the attempt that is under way. */
  #settled: Promise<void> | undefined;
  #failed = 0;
  /** Whether the successor serves every address of this process. */
  #servesAll = false;

  constructor(context: RestartContext) {
    this.#context = context;
  }

  /** Who has taken over, or undefined while this process is the newest. */
  get successor(): Successor | undefined {
    return this.#successor;
  }

  /** The pid of the newest process, or undefined while that is this one. The successor may have been replaced in its turn. */
  get newest(): number | undefined {
    return this.#newest;
  }

  /** The successor, if it stays and can take the channel of an older process now, and whatever may come over that. */
  get adopter(): Successor | undefined {
    return !this.#standby && this.#servesAll && this.#successor?.adopts ? this.#successor : undefined;
  }

  /** Whether a candidate is on its way. */
  get underWay(): boolean {
    return this.#attempt !== undefined;
  }

  /** Whether a restart waits until the process before this one has committed. */
  get waits(): boolean {
    return this.#waits;
  }

  /** Whether the listening sockets have to stay, whatever the application closes. */
  get needsSockets(): boolean {
    return (this.underWay && !this.#hookMayWait) || this.undecided;
  }

  /** Whether a successor serves and can still be replaced by this process. */
  get undecided(): boolean {
    return this.#standby !== undefined;
  }

  /** Whether connections that were leaving for a successor that was sent away are not back yet. */
  get takesBack(): boolean {
    return this.#takenBack?.busy ?? false;
  }

  /** How many restarts have failed or were taken back. */
  get failed(): number {
    return this.#failed;
  }

  /** Resolves when nothing waits to be said, since the channel to the successor is read. */
  async said(): Promise<void> {
    if (!this.#successor?.paused) return;
    const { world } = this.#context;
    const release = world.stayAlive();
    await Promise.race([
      this.#successor.said(),
      new Promise<void>((resolve) => world.after(SAID_TIME, resolve)),
    ]);
    release();
  }

  /** One restart more is to follow the one that is under way, of the successor or, if that fails, of this process. */
  remember(): void {
    this.#again = true;
    // One that serves already learns it now; any other at the handover.
    this.#successor?.send({ type: 'restart-again' });
  }

  /** Somebody does not wait for the window to end. */
  commit(): void {
    this.#standby?.commit();
  }

  /** Resolves when a candidate that may accept already has taken over or is gone; undefined where there is none. */
  crossing(error: EndlessError): Promise<void> | undefined {
    if (!this.#attempt?.crossing) return undefined;
    this.#attempt.abort(error);
    return this.#settled;
  }

  /** Gives up on the candidate that is on its way; resolves when it is gone. */
  abort(error: EndlessError): Promise<unknown> | undefined {
    this.#attempt?.abort(error);
    return this.#attempt?.gone;
  }

  /** What was sent away has this many milliseconds left (-1: no limit). */
  retire(deadline: number): void {
    for (const successor of this.#retiring) successor.retire(deadline);
  }

  /** Replaces this process; the signal says whose hooks run. */
  restart(signal: HookableSignal): Promise<RestartResult> {
    const result = this.#run(signal);
    const settled = () => {};
    this.#settled = result.then(settled, settled);
    return result;
  }

  async #run(signal: HookableSignal): Promise<RestartResult> {
    const { world, events, servers, settings, log, stopping } = this.#context;
    const began = world.now();
    let handover: Handover | undefined;
    let departure: Departure | undefined;
    let paths: KeptPaths | undefined;
    // What a successor says in one breath with "I accept", before the handover to which it belongs.
    const early: ToPredecessor[] = [];
    const attempt = new Attempt({
      world,
      settings: settings.current,
      log,
      generation: this.#context.generation(),
      surroundings: this.#context.surroundings(),
      tickets: () => (settings.current.tlsTickets ? ticketKeysOf(servers.all()) : {}),
      window: () => this.#window,
      onSpawned: ({ pid, generation }) => events.emit('spawned', { pid, generation }),
      onReady: ({ pid, generation }) => events.emit('ready', { pid, generation }),
      whyNotGo: () => pathsLost(paths?.check() ?? []),
      onMessage: (message) =>
        departure && handover ? this.#hear(message, handover, departure) : early.push(message),
    });
    this.#attempt = attempt;
    try {
      this.#waits = true;
      await this.#context.predecessorCommitted();
      this.#waits = false;
      const afterWaiting = stopping();
      if (afterWaiting) throw afterWaiting;
      await this.#runPreHooks(signal);
      // Not before: the connections at rest of that process have come by now.
      const slowStart = new SlowStart(world, servers.all(), this.#window);
      await nextTurn(world);
      const command = successorCommand(settings.current.restart);
      await nextTurn(world);
      const beforeSpawn = stopping();
      if (beforeSpawn) throw beforeSpawn;
      log.info(`Received ${signal}. forking.`);
      // Looked at only now: a hook may have opened or closed a server.
      const { listeningSockets, ambiguous } = servers.listeningSockets();
      if (ambiguous.length > 0)
        log.warn(
          `${ambiguous.join(', ')} cannot be handed over: several servers asked for port 0. Give them ports of their own.`,
        );
      const kept = keepPathsOf(listeningSockets, world, log);
      paths = kept.paths;
      paths.keepFromRemoval();
      paths.watch();
      const successor = await attempt.run(command, kept.listeningSockets);
      const handed = new Set(kept.listeningSockets.map(({ bound }) => label(bound)));
      for (const address of attempt.dropped) handed.delete(address);
      this.#servesAll = servers.all().every(({ bound }) => !bound || handed.has(label(bound)));
      handover = { successor, slowStart, paths, handed };
      departure = this.#context.createDeparture(signal, handover);
      const result = this.#handOver(handover, departure, signal, began);
      for (const message of early) this.#hear(message, handover, departure);
      return result;
    } catch (error) {
      this.#waits = false;
      this.#attempt = undefined;
      paths?.end();
      this.#restartFailed(error as EndlessError, signal);
      throw error;
    }
  }

  /** A hook that does not end must not keep the old release for ever. */
  async #runPreHooks(signal: HookableSignal): Promise<void> {
    const { world, hooks, settings, log, onHookWaits } = this.#context;
    const { startTimeout } = settings.current;
    const cancelWait = world.after(HOOK_TIME, () => {
      this.#hookMayWait = true;
      onHookWaits();
    });
    let cancel = () => {};
    const late = new Promise<void>((resolve) => {
      cancel = world.after(startTimeout, () => {
        log.warn(
          `A pre hook of ${signal} has not ended within \`startTimeout\` (${startTimeout} ms): the restart goes on without it.`,
        );
        resolve();
      });
    });
    await Promise.race([hooks.run('pre', signal), late]);
    cancel();
    cancelWait();
    this.#hookMayWait = false;
  }

  #handOver(
    { successor, paths, handed }: Handover,
    departure: Departure,
    signal: HookableSignal,
    began: number,
  ): RestartResult {
    const { world, events, servers, log, onCommit } = this.#context;
    const { pid, generation } = successor;
    const durationMs = world.now() - began;
    this.#attempt = undefined;
    this.#successor = successor;
    this.#learnNewest(pid);
    successor.release();
    if (this.#again) successor.send({ type: 'restart-again' });
    log.info(`pid ${pid}, generation ${generation}, has taken over.`);
    events.emit('handover', { pid, generation, durationMs });
    const standby = new Standby({
      world,
      log,
      successor,
      departure,
      servers: servers.all().filter(({ bound }) => bound && handed.has(label(bound))),
      signal,
      window: this.#window,
      verdictTime: verdictTime(this.#window, this.#context.settings.current.hammerTime),
      onCommit: () => {
        this.#standby = undefined;
        paths.check();
        paths.release();
        // From here on that is the successor's affair.
        this.#again = false;
        successor.send({ type: 'committed' });
        events.emit('committed', { pid, generation });
        onCommit(standby, handed);
      },
      onRollback: (error, alive) => {
        void successor.ended.then(() => paths.end());
        this.#rollBack(standby, error, alive);
      },
    });
    this.#standby = standby;
    standby.begin();
    paths.check();
    return { pid, generation, durationMs };
  }

  /** Milliseconds in which a handover can be taken back. */
  get #window(): number {
    const { rollbackWindow, hammerTime } = this.#context.settings.current;
    return hammerTime < 0 ? rollbackWindow : Math.min(rollbackWindow, hammerTime / 2);
  }

  /** This process accepts again already; the rest of its place is taken back here. */
  #rollBack(standby: Standby, error: EndlessError, alive: boolean): void {
    const { successor, departure } = standby;
    const { world, events, settings, onKept, onNewest } = this.#context;
    const log = this.#context.log;
    this.#standby = undefined;
    this.#successor = undefined;
    this.#newest = undefined;
    onNewest(world.pid);
    this.#takenBack = departure;
    this.#failed += 1;
    onKept();
    const { pid, generation } = successor;
    if (alive) this.#sendAway(successor, settings.current.hammerTime);
    log.error(messageOf(error));
    log.warn(
      `Rolled back: this process, pid ${world.pid}, serves again. ${departure.moved} connections had moved to pid ${pid}.`,
    );
    const connections = departure.moved;
    events.emit('rollback', { pid, generation, reason: error.message, error, connections });
    this.#maybeAgain(standby.signal);
  }

  /** A successor that was told to leave and does not is ended, by its own hammer or, if it hears nothing, by this process. */
  #sendAway(successor: Successor, deadline: number): void {
    this.#retiring.add(successor);
    successor.retire(deadline);
    const giveUp =
      deadline < 0
        ? () => {}
        : decideAfter(this.#context.world, deadline + LEAVE_TIME, () => successor.kill());
    void successor.ended.then(() => {
      giveUp();
      this.#retiring.delete(successor);
    });
  }

  #restartFailed(error: EndlessError, signal: HookableSignal): void {
    const { events, ending, onKept } = this.#context;
    if (ending()) return;
    this.#failed += 1;
    // A candidate may have died after it had taken a place that is ours.
    onKept();
    events.emit('failed', { error });
    this.#maybeAgain(signal);
  }

  #maybeAgain(signal: HookableSignal): void {
    if (!this.#again) return;
    this.#again = false;
    this.#context.log.info('A restart was asked for meanwhile: trying once more.');
    this.#context.world.turn(() => this.#context.onAgain(signal));
  }

  #learnNewest(pid: number): void {
    this.#newest = pid;
    this.#context.onNewest(pid);
  }

  #hear(message: ToPredecessor, { successor }: Handover, departure: Departure): void {
    const { ending, onPrune, mayPause, onAdopted } = this.#context;
    if (message.type === 'moved') departure.acknowledge(message.ids, message.lost);
    if (message.type === 'told') departure.offers?.told(message.done, message.ended);
    if (message.type === 'answer') {
      departure.answered(message.accepted, message.refused);
      ending()?.check();
    }
    // What becomes of one that was sent away is no affair of this process any more.
    if (successor !== this.#successor) return;
    switch (message.type) {
      case 'unready':
        this.#standby?.unhealthy(message.message);
        break;
      case 'check-failed':
        this.#standby?.ailing(message.message);
        break;
      case 'check-passed':
        this.#standby?.well();
        break;
      case 'restart-asked':
        if (this.#standby) this.#again = true;
        break;
      case 'stop':
        departure.follow(message.idleGrace);
        this.commit();
        ending()?.stopToo(message.deadline);
        break;
      case 'newest':
        this.#learnNewest(message.pid);
        break;
      case 'prune':
        onPrune(message.left);
        break;
      case 'pause':
        if (!this.#standby && !departure.busy && mayPause()) successor.pause();
        else successor.send({ type: 'busy' });
        break;
      case 'resume':
        successor.resume(message.pid);
        break;
      case 'adopted':
        onAdopted(message.generation, message.done);
        break;
    }
  }
}

/** In between whoever waits is answered: what leads to a spawn would hold up a loaded process as long as the spawn itself. */
const nextTurn = (world: World) => new Promise<void>((resolve) => world.turn(resolve));
