import type { TrackedServer } from '../connections/tracked-server.js';
import { Departure } from '../migrate/departure.js';
import type { Handover } from '../restart/context.js';
import type { ShutdownResult } from '../shutdown/context.js';
import { Shutdown } from '../shutdown/shutdown.js';
import type { HookableSignal } from '../signals/signals.js';
import { AppDrains } from './app-drains.js';
import type { Draining as DrainingPhase } from './phase.js';
import type { Shared } from './shared.js';

/** How long an idle connection may still send a request if `idleGrace` is not set. */
const IDLE_GRACE = 5_000;

/** What begins the end of a process. */
export interface DrainRequest {
  reason: 'restart' | 'shutdown';
  /** The signal whose hooks run. */
  signal: HookableSignal;
  departure: Departure;
  /** Labels of the addresses that a successor serves from now on. */
  handed?: ReadonlySet<string>;
  /** When the time until the deadline begins. */
  began?: number;
  /** Whether everything is force-closed at once. */
  hammers: boolean;
}

/** How the connections of this process end: the one way into the phases `draining` and `drained`. */
export class Draining {
  /** Resolves when this process has drained. */
  readonly done: Promise<void>;
  readonly #shared: Shared;
  readonly #appDrains: AppDrains;
  /** No server is expected any more. */
  readonly #stopWatching: () => void;
  #resolveDone: () => void = () => {};

  constructor(shared: Shared, stopWatching: () => void) {
    this.#shared = shared;
    this.#stopWatching = stopWatching;
    this.#appDrains = new AppDrains(shared.world, shared.servers);
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
  }

  /** Prepares the departure of the connections. */
  createDeparture(reason: 'restart' | 'shutdown', signal: HookableSignal, to?: Handover): Departure {
    const { world, protocols, servers, log, waits, settings } = this.#shared;
    const { migrate, idleGrace } = settings.current;
    return new Departure({
      ...{ world, protocols, servers, log, waits, to, migrate },
      idleGrace: idleGrace ?? (reason === 'shutdown' && signal === 'SIGINT' ? 0 : IDLE_GRACE),
      onMoved: (address) => this.#shared.moved(address),
    });
  }

  /** Enters the phase; {@link run} is the next call. */
  begin({ reason, signal, departure, handed = new Set(), began, hammers }: DrainRequest): DrainingPhase {
    const { world, servers, waits, protocols, hooks, events, settings, log, olders, apps, abort } =
      this.#shared;
    const { phase, parent, progress, supervisor } = this.#shared;
    const shutdown = new Shutdown(
      reason,
      signal,
      {
        ...{ world, servers, waits, protocols, hooks, events, settings, log, olders, apps, abort },
        ...{ departure, handed },
        // The predecessor serves already in place of a process that was rolled back: there is nothing to announce.
        // Without its supervisor this process must free the port for the next one.
        delays: !parent?.rolledBack && !supervisor?.gone,
        ...(settings.current.logger === undefined && { progress }),
      },
      began,
    );
    let settle: (result: ShutdownResult | Promise<never>) => void = () => {};
    const result = new Promise<ShutdownResult>((resolve) => {
      settle = resolve;
    });
    const { candidate, probation } = phase;
    const owned = { ...(candidate && { candidate }), ...(probation && { probation }) };
    const draining: DrainingPhase = { name: 'draining', shutdown, departure, result, settle, ...owned };
    phase.enter(draining);
    shutdown.begin(settings.current.hammerTime);
    if (hammers) shutdown.hammer();
    return draining;
  }

  /** Drains to the end; this process accepts until `candidateGone` resolves. */
  run(
    { shutdown, settle, result }: DrainingPhase,
    candidateGone?: Promise<unknown>,
  ): Promise<ShutdownResult> {
    const { phase, pidFile } = this.#shared;
    void shutdown.run(candidateGone).then(
      (drained) => {
        phase.enter({ ...(phase.current as DrainingPhase), name: 'drained' });
        pidFile.remove();
        this.#stopWatching();
        this.#resolveDone();
        settle(drained);
      },
      (error) => settle(Promise.reject(error)),
    );
    return result;
  }

  /** The application closes some of its servers: endless drains their connections as on a shutdown. */
  drainServers(closes: (tracked: TrackedServer) => boolean): void {
    const { phase, restarts } = this.#shared;
    if (!phase.end) this.#appDrains.drain(closes, restarts.needsSockets);
  }

  /** Closes what the application has closed while a restart needed it. */
  closeNow(): void {
    this.#appDrains.resume((closes) => this.drainServers(closes));
  }
}
