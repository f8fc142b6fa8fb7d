import type { EndlessError } from '../errors.js';
import type { ShutdownResult } from '../shutdown/context.js';
import type { Exit } from '../shutdown/exit.js';
import type { HookableSignal } from '../signals/signals.js';
import { waitForWorkers } from '../supervisor/workers.js';
import type { Draining } from './draining.js';
import type { Listeners } from './listeners.js';
import { shuttingDown } from './refusals.js';
import type { Shared } from './shared.js';
import { StopSignals } from './signals.js';

/** The parts of the lifecycle that a stop needs. */
export interface StoppingParts {
  listeners: Listeners;
  draining: Draining;
  exit: Exit;
  /** Ends the rollback window of the predecessor: it cannot roll back any more. */
  endProbation(): void;
  /** Whether the program was preloaded, and so are its workers. */
  preloaded(): boolean;
}

/** Stops of this process, by a call, a signal or the predecessor, and the force-close. */
export class Stopping {
  readonly #shared: Shared;
  readonly #parts: StoppingParts;
  readonly #signals = new StopSignals();
  /** Whether a stop waits for a candidate that may accept already, and whether it force-closes at once then. */
  #waits = false;
  #hammersThen = false;

  constructor(shared: Shared, parts: StoppingParts) {
    this.#shared = shared;
    this.#parts = parts;
  }

  /** Whether everything is force-closed as soon as this process drains. */
  get hammersThen(): boolean {
    return this.#hammersThen;
  }

  /** `raised`: the application has raised the signal again, having done its part. */
  async bySignal(signal: HookableSignal, raised = false): Promise<void> {
    const { world, log, phase, restarts, supervisor } = this.#shared;
    const { listeners } = this.#parts;
    if (raised && (phase.state === 'terminated' || listeners.ownEnd.hasRaised(signal))) return;
    const which = this.#signals.next(world.now());
    if (which === 'same') return;
    if (which === 'second') {
      log.info(`Received ${signal}. It is the second stop signal: force-closing what is left.`);
      this.hammer();
      return;
    }
    // Before any hook or `shutdownDelay`: a stop of the supervisor must not be the second signal.
    supervisor?.send({ type: 'signalled' });
    const crossing = this.#crossing();
    if (crossing) await crossing;
    const committed = restarts.commitOwn();
    if (committed) await committed;
    if (phase.end) {
      log.info(
        `Received ${signal}. This process drains and exits. Send the signal again to force-close what is left.`,
      );
      // The caller of `shutdown()` goes on; the sender of the signal wants the process to exit.
      await phase.end.result;
    } else await this.#begin(signal, () => log.info(`Received ${signal}.`));
    await this.#exit();
  }

  /** The predecessor has rolled back: this process drains and exits. */
  async afterRollback(): Promise<void> {
    await this.#begin('SIGTERM', () => {});
    await this.#exit();
  }

  /** Drains this process and does not exit. */
  async shutdown(): Promise<ShutdownResult> {
    const result = await this.#begin('SIGTERM', () => {});
    // The program goes on, and a signal must stop it as it stops any program.
    if (!this.#signals.came) this.#parts.listeners.stop();
    return result;
  }

  /** Force-closes what is still running; only while this process drains. */
  hammer(): void {
    const { log, phase, restarts, left } = this.#shared;
    const committed = restarts.commitOwn();
    // A process that has drained itself may still wait for older ones.
    if (committed) void committed.then(() => this.hammer());
    else if (phase.end && !left) phase.end.shutdown.hammer();
    else if (this.#waits && !left) this.#hammersThen = true;
    else log.info('Force-close ignored: this process is not draining.');
  }

  /** So many generations may still drain: this process force-closes if it is not one of them. */
  prune(left: number): void {
    const { log, olders, busy, generation } = this.#shared;
    if (busy && left <= 0) {
      log.warn(
        `More than \`maxDraining\` generations have requests in flight: force-closing generation ${generation}.`,
      );
      this.hammer();
    }
    olders.prune(left);
  }

  async #exit(): Promise<void> {
    const { end } = this.#shared.phase;
    if (end) await this.#parts.exit.run(end.shutdown);
  }

  /** Resolves when a candidate that may accept already has taken over or is gone; undefined where no candidate does. */
  #crossing(): Promise<void> | undefined {
    const crossing = this.#shared.restarts.crossing(this.#refusal);
    this.#waits ||= crossing !== undefined;
    return crossing;
  }

  get #refusal(): EndlessError {
    return shuttingDown(this.#shared.restarts.newest);
  }

  #begin(signal: HookableSignal, announce: () => void): Promise<ShutdownResult> {
    const { phase, restarts, parent, waits } = this.#shared;
    const { draining, listeners, endProbation, preloaded } = this.#parts;
    const undecided = this.#crossing() ?? restarts.commitOwn();
    if (undecided) return undecided.then(() => this.#begin(signal, announce));
    if (phase.end) return phase.end.result;
    announce();
    phase.candidate?.refuse();
    if (!parent?.rolledBack) endProbation();
    const departure = draining.createDeparture('shutdown', signal);
    const hammers = this.#hammersThen;
    const begun = draining.begin({ reason: 'shutdown', signal, departure, hammers });
    restarts.retire(begun.shutdown.left);
    const told = this.#signals.came && listeners.own.count(signal) > 0;
    waitForWorkers(waits, told, preloaded());
    return draining.run(begun, restarts.stop(this.#refusal));
  }
}
