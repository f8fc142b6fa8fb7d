import { type EndlessError, messageOf } from '../errors.js';
import type { RestartResult } from '../restart/context.js';
import type { HookableSignal } from '../signals/signals.js';
import { passes, whyNotRestart } from './refusals.js';
import type { Shared } from './shared.js';

/** The parts of the lifecycle that a request to restart needs. */
export interface RestartingParts {
  /** Resolves when the predecessor can no longer roll back; rejects if that takes too long. */
  predecessorCommitted(): Promise<void>;
  /** Logs once which listeners of the application do not run now. */
  sayWithheld(): void;
}

/** The requests to replace this process: each starts a restart, is remembered, or is refused. */
export class Restarting {
  readonly #shared: Shared;
  readonly #parts: RestartingParts;

  constructor(shared: Shared, parts: RestartingParts) {
    this.#shared = shared;
    this.#parts = parts;
  }

  /** Restarts the program: `endless run` restarts all of its workers, any other process replaces itself. */
  async restart(signal: HookableSignal = 'SIGHUP'): Promise<RestartResult> {
    const { supervisor, waits } = this.#shared;
    if (!supervisor) return this.replace(signal);
    // The supervisor lets another restart follow one that is under way.
    const refusal = this.#refusal({ underWay: false });
    if (refusal) throw refusal;
    // This process may be replaced before the last worker is.
    const release = waits.take('holds');
    return supervisor.restartAll().finally(release);
  }

  /** Replaces this process; the signal says whose hooks run. */
  async replace(signal: HookableSignal = 'SIGHUP'): Promise<RestartResult> {
    const refusal = this.#refusal();
    if (refusal) throw refusal;
    this.#parts.sayWithheld();
    const { restarts, generation, surroundings, pidFile } = this.#shared;
    const { fd } = pidFile;
    return restarts.restart({
      signal,
      generation,
      surroundings: { ...surroundings?.kept, ...(fd !== undefined && { pidFile: fd }) },
      predecessorCommitted: this.#parts.predecessorCommitted(),
    });
  }

  /** A signal asks for a restart: one that cannot begin now is remembered where that helps. */
  async bySignal(signal: HookableSignal): Promise<void> {
    const { log, phase, restarts, serviceManager, supervisor } = this.#shared;
    if (supervisor && !phase.end) {
      log.info(`Received ${signal}. Asking \`endless run\` to restart all workers.`);
      await supervisor.restartAll().catch((error) => log.error(messageOf(error)));
      return;
    }
    const { waits, underWay, undecided, newest } = restarts;
    if (waits) {
      log.info(`Received ${signal}. A restart already waits for the end of the rollback window.`);
      return;
    }
    if (underWay) {
      log.info(`Received ${signal}. A restart is under way: one more will follow it.`);
      restarts.remember();
      return;
    }
    if (undecided) {
      log.info(
        `Received ${signal}. It is passed on to pid ${newest}; if that fails now, this process restarts.`,
      );
      restarts.remember();
      return;
    }
    // A service manager that has sent the signal waits for an answer.
    const refusal = this.#refusal();
    if (refusal && !phase.end) serviceManager?.notReloaded(refusal.message);
    try {
      await this.restart(signal);
    } catch (error) {
      log.error(messageOf(error));
    }
  }

  /** Whether this process could be replaced at another moment, if it cannot be now. */
  mayEver(): boolean {
    const refusal = this.#refusal();
    return refusal === undefined || passes(refusal);
  }

  #refusal(changes: { underWay?: false } = {}): EndlessError | undefined {
    const { world, surroundings, settings, phase, restarts } = this.#shared;
    const { undecided, underWay, newest } = restarts;
    return whyNotRestart({
      ...{ world, surroundings, newest, underWay },
      settings: settings.current,
      ending: undecided || phase.end !== undefined,
      starting: phase.state === 'init',
      ...changes,
    });
  }
}
