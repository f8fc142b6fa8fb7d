import type { Server, Socket } from 'node:net';
import type { TrackedServer } from '../connections/tracked-server.js';
import type { ListenOptions } from '../listen/create-server.js';
import { silent } from '../log.js';
import type { RestartResult } from '../restart/context.js';
import type { Settings } from '../settings.js';
import type { ShutdownResult } from '../shutdown/context.js';
import { Exit } from '../shutdown/exit.js';
import type { Release } from '../wait-group.js';
import type { World } from '../world.js';
import { Draining } from './draining.js';
import { Listeners } from './listeners.js';
import { onSignal } from './on-signal.js';
import type { State } from './phase.js';
import { Restarting } from './restarting.js';
import { Serving } from './serving.js';
import { Shared } from './shared.js';
import { Stopping } from './stopping.js';
import { TakingOver } from './taking-over.js';

/** The one lifecycle of a process: makes its parts, and passes each call of the public API to one. */
export class Lifecycle {
  readonly shared: Shared;
  readonly #listeners: Listeners;
  readonly #serving: Serving;
  readonly #takingOver: TakingOver;
  readonly #restarting: Restarting;
  readonly #draining: Draining;
  readonly #stopping: Stopping;
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
      restartAgain: (signal) => void this.#restarting.bySignal(signal),
      prune: (left) => this.#stopping.prune(left),
    });
    const { shared } = this;
    const { settings, hooks, log, olders, restarts } = shared;
    this.#listeners = new Listeners({
      ...{ world, settings, hooks, log },
      surroundings: () => shared.surroundings,
      onSignal: (signal) => void onSignal(shared, this.#signalParts, signal),
      mayEverRestart: () => this.#restarting.mayEver(),
    });
    const listeners = this.#listeners;
    this.#exit = new Exit({
      ...{ world, log, settings, olders, restarts, ownEnd: listeners.ownEnd },
      hasOlder: () => shared.parent !== undefined && !shared.parent.rolledBack,
      atTerminal: () => shared.surroundings?.terminal.there ?? false,
      reported: (shutdown) => shared.serviceManager?.finish(shutdown),
      leave: () => {
        shared.left = true;
        listeners.stop();
      },
    });
    const exit = this.#exit;
    this.#draining = new Draining(shared, () => this.#serving.stopWatching());
    this.#stopping = new Stopping(shared, {
      ...{ listeners, exit, draining: this.#draining },
      endProbation: () => this.#takingOver.endProbation(),
      preloaded: () => this.#serving.forGood,
    });
    const stopping = this.#stopping;
    this.#takingOver = new TakingOver(shared, {
      ...{ stopping, exit },
      restartAgain: () => void this.#restarting.bySignal('SIGHUP'),
    });
    const takingOver = this.#takingOver;
    this.#restarting = new Restarting(shared, {
      predecessorCommitted: () => takingOver.committed(),
      sayWithheld: () => listeners.sayWithheld(),
    });
    this.#serving = new Serving(shared, { listeners, stopping, takingOver, restarting: this.#restarting });
  }

  get #signalParts() {
    return { listeners: this.#listeners, restarting: this.#restarting, stopping: this.#stopping };
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

  /** How many connections came from the old process, or moved to the new one. */
  get migrated(): number {
    return this.shared.migrated;
  }

  /** Whether this process is stopping for good; never true because of a restart. */
  get stopping(): boolean {
    return this.shared.phase.end?.shutdown.reason === 'shutdown';
  }

  /** Whether requests on this server are late: this process drains, and the server's connections do not move. */
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

  /** First use: reads the handoff, and then sees each server that begins to listen. */
  install(options?: { forGood: boolean }): void {
    this.#serving.install(options);
  }

  /** Stores what `endless.listen` got for this server. */
  expect(server: Server, address: unknown, options: ListenOptions): void {
    this.#serving.intake.expect(server, address, options);
  }

  /** Runs `fn` before each server begins to accept; returns the undo. */
  beforeBegin(fn: (address: unknown) => void): () => void {
    const { beforeBegin } = this.#serving.intake;
    beforeBegin.push(fn);
    return () => {
      const at = beforeBegin.indexOf(fn);
      if (at >= 0) beforeBegin.splice(at, 1);
    };
  }

  /** Tracks a server that listened before the first use of endless. Node.js ends its other connections. */
  adopt(server: Server, socket: Socket): void {
    this.#serving.adopt(server, socket);
  }

  /** Keeps the live connections of this server in this process, whatever `migrate` says. */
  keepConnections(server: Server): void {
    this.install();
    this.shared.servers.setMigrate(server, false);
    this.#takingOver.tellKept();
  }

  /** The program has all its servers: generation 0 is ready without one, a candidate without the remaining addresses. */
  ready(): void {
    this.#serving.ready();
  }

  hold(): Release {
    this.install();
    return this.shared.waits.take('holds');
  }

  /** Listens to the right signals after a hook or a setting has changed which those are. */
  listenToWanted(): void {
    this.#listeners.listenToWanted();
  }

  /** Replaces this process. */
  restart(): Promise<RestartResult> {
    return this.#restarting.restart();
  }

  /** Resolves when this process has drained. */
  get done(): Promise<void> {
    return this.#draining.done;
  }

  /** Drains this process and does not exit. */
  shutdown(): Promise<ShutdownResult> {
    return this.#stopping.shutdown();
  }

  /** Force-closes what is still running; only while this process drains. */
  hammer(): void {
    this.#stopping.hammer();
  }

  /** The application closes some of its servers: endless drains their connections as on a shutdown. */
  drainServers(closes: (tracked: TrackedServer) => boolean): void {
    this.#draining.drainServers(closes);
  }
}
