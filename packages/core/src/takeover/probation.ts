import type { Servers } from '../connections/servers.js';
import { decideAfter } from '../decide.js';
import type { InheritedPaths } from '../handoff/inherited-paths.js';
import type { Predecessor } from '../handoff/predecessor.js';
import { CHANNEL_TIME, verdictTime } from '../handoff/times.js';
import type { Log } from '../log.js';
import { askHealth } from '../readiness/health.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';

/** Between two looks at the health of a process. */
export const BETWEEN_CHECKS = 250;

/** What a probation needs of the process that is in it. */
export interface ProbationContext {
  world: World;
  log: Log;
  settings: SettingsStore;
  servers: Servers;
  predecessor: Predecessor;
  /** The paths of the unix sockets, which are this process's after the commit. */
  paths: InheritedPaths;
  /** Milliseconds in which the predecessor can roll back. */
  window: number;
}

/** A new process from `go` until its predecessor has committed: it is watched, and may be sent away. */
export class Probation {
  /** How it ends. */
  readonly outcome: Promise<'committed' | 'rolled back'>;
  readonly #context: ProbationContext;
  readonly #began: number;
  #ended = false;
  /** When the check was asked that has not come to an end. */
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
   * A restart was asked for and waits until the probation is over, which resolves with true; with false if that is not so
   * `patience` milliseconds after the longest window. Should this process fail, the restart is its predecessor's.
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

  /** The predecessor has committed, or is going to without being asked, or is gone. Returns whether that was open until now. */
  commit(): boolean {
    if (this.#ended) return false;
    this.#warnOfSlowCheck();
    this.#end('committed');
    this.#context.paths.own();
    return true;
  }

  /** The channel has closed: a predecessor that lives rolls back, and stops this process by a signal. Resolves when it has not. */
  async abandoned(): Promise<void> {
    const { world, predecessor } = this.#context;
    await predecessor.closed;
    if (world.ppid() === predecessor.handoff.pid)
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

  /** A check that took half of the window or more has had no say, which its author should know. */
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

  /** Resolves with the reason if this process is not well, after several failures; undefined where there is no check. */
  #askHealth(onFailure: (reason: string) => void): Promise<string | undefined> | undefined {
    const { world, settings, servers } = this.#context;
    const { healthCheck } = settings.current;
    const listening = () => servers.all().map(({ server }) => server);
    return healthCheck && askHealth(world, healthCheck, listening, onFailure);
  }
}
