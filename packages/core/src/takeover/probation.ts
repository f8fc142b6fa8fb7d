import type { Servers } from '../connections/servers.js';
import { decideAfter } from '../decide.js';
import type { InheritedPaths } from '../handoff/inherited-paths.js';
import type { Predecessor } from '../handoff/predecessor.js';
import { CHANNEL_TIME, verdictTime } from '../handoff/times.js';
import type { Log } from '../log.js';
import { askHealth } from '../readiness/health.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';

/** Milliseconds between two health checks of a process. */
export const BETWEEN_CHECKS = 250;

/** What the rollback window needs of the new process. */
export interface ProbationContext {
  world: World;
  log: Log;
  settings: SettingsStore;
  servers: Servers;
  predecessor: Predecessor;
  /** The paths of the unix sockets, which this process owns after the commit. */
  paths: InheritedPaths;
  /** Milliseconds in which the predecessor can roll back. */
  window: number;
}

/** A new process from `go` until its predecessor commits or rolls back: its health is watched. */
export class Probation {
  /** How the rollback window ends. */
  readonly outcome: Promise<'committed' | 'rolled back'>;
  readonly #context: ProbationContext;
  readonly #began: number;
  #ended = false;
  /** When the check began that has not ended. */
  #askedAt: number | undefined;
  #resolve: (outcome: 'committed' | 'rolled back') => void = () => {};

  constructor(context: ProbationContext) {
    this.#context = context;
    this.#began = context.world.now();
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    void this.#watch();
  }

  /** Whether the predecessor can still roll back. */
  get open(): boolean {
    return !this.#ended;
  }

  /**
   * A restart was requested and waits for the end of the window. Resolves with true then, or with false
   * `patience` milliseconds after the longest window. If this process fails, its predecessor restarts.
   */
  overWithin(patience: number): Promise<boolean> {
    const { world, predecessor, window } = this.#context;
    predecessor.send({ type: 'restart-asked' });
    return new Promise((resolve) => {
      const longest = window + verdictTime(window, -1) + patience;
      const cancel = decideAfter(world, longest, () => resolve(false));
      void this.outcome.then(() => {
        cancel();
        resolve(true);
      });
    });
  }

  /** The predecessor has committed, will do so anyway, or is gone. Returns whether that was open before. */
  commit(): boolean {
    if (this.#ended) return false;
    this.#warnOfSlowCheck();
    this.#end('committed');
    this.#context.paths.own();
    return true;
  }

  /**
   * Waits until the channel has closed: a predecessor that lives rolls back then, and stops this process by a
   * signal. Resolves if it does not.
   */
  async abandoned(): Promise<void> {
    const { world, predecessor } = this.#context;
    await predecessor.closed;
    if (predecessor.mayRun(world))
      await new Promise<void>((resolve) => decideAfter(world, 2 * CHANNEL_TIME, resolve));
  }

  /** The predecessor has rolled back. */
  rollBack(): void {
    this.#end('rolled back');
    this.#context.paths.release();
  }

  #end(outcome: 'committed' | 'rolled back'): void {
    this.#ended = true;
    this.#resolve(outcome);
  }

  /** Warns of a check that has run for half of the window or more: the commit did not wait for it. */
  #warnOfSlowCheck(): void {
    const { world, window, log } = this.#context;
    const now = world.now();
    if (this.#askedAt === undefined || window === 0 || now - this.#began < window) return;
    const taken = Math.round(now - this.#askedAt);
    if (taken >= window / 2)
      log.warn(`The restart is final, and a \`healthCheck\` that began ${taken} ms ago has not ended.`);
  }

  async #watch(): Promise<void> {
    const { world, predecessor } = this.#context;
    while (!this.#ended) {
      let ailing = false;
      const asked = this.#askHealth((message) => {
        this.#askedAt = world.now();
        ailing = true;
        predecessor.send({ type: 'check-failed', message });
      });
      this.#askedAt = asked && world.now();
      const reason = await asked;
      this.#askedAt = undefined;
      if (this.#ended) return;
      if (reason !== undefined) {
        predecessor.send({ type: 'unready', message: reason });
        return;
      }
      if (ailing) predecessor.send({ type: 'check-passed' });
      await new Promise<void>((resolve) => world.after(BETWEEN_CHECKS, resolve));
    }
  }

  /** Resolves with the reason if the check fails several times; undefined if there is no check. */
  #askHealth(onFailure: (reason: string) => void): Promise<string | undefined> | undefined {
    const { world, settings, servers } = this.#context;
    const { healthCheck } = settings.current;
    const listening = () => servers.all().map(({ server }) => server);
    return healthCheck && askHealth(world, healthCheck, listening, onFailure);
  }
}
