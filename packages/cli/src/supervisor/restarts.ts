import type { Log } from '../print/log.js';
import type { Release } from '../program/program.js';
import type { Slot } from '../workers/slot.js';
import type { Lock } from './lock.js';
import { type RestartReport, rollingRestart } from './rolling-restart.js';
import { Turns } from './turns.js';

/** Gets each step of a restart. */
export type Progress = (line: string) => void;

/** What a restart reads and sets of the supervisor. */
export interface Restarted {
  readonly slots: readonly Slot[];
  /** The release of the last successful start; a canary that stays sets it. */
  release: Release;
  readonly stopping: boolean;
  /** Held while workers are replaced. */
  readonly lock: Lock;
}

/** The restarts of all workers: one at a time, and one more for all that ask meanwhile. */
export class Restarts {
  last: (RestartReport & { at: Date }) | undefined;
  /** How many have begun. */
  begun = 0;
  /** Which worker is replaced now, counted from 1; undefined while no restart is under way. */
  step: number | undefined;
  readonly #log: Log;
  readonly #supervisor: Restarted;
  readonly #resolve: () => Release;
  readonly #changed: () => void;
  readonly #turns = new Turns(() => this.#supervisor.lock.run(() => this.#run()));
  readonly #followers = new Set<Progress>();

  /** `resolve` follows every link of the program now; `changed` is called at each step of a restart. */
  constructor(log: Log, supervisor: Restarted, resolve: () => Release, changed: () => void) {
    this.#log = log;
    this.#supervisor = supervisor;
    this.#resolve = resolve;
    this.#changed = changed;
  }

  /** Whether a restart is under way. */
  get busy(): boolean {
    return this.#turns.busy;
  }

  /** Resolves when no worker is being replaced, and no restart follows. */
  async idle(): Promise<void> {
    const { lock } = this.#supervisor;
    while (this.busy || lock.busy) await Promise.all([this.#turns.idle(), lock.idle()]);
  }

  /** Replaces all workers now, or once more after the present restart; `progress` gets each step. */
  async take(progress: Progress): Promise<RestartReport> {
    if (this.busy) progress('a restart is under way: one more follows it');
    this.#followers.add(progress);
    try {
      return await this.#turns.take();
    } finally {
      this.#followers.delete(progress);
    }
  }

  async #run(): Promise<RestartReport> {
    const supervisor = this.#supervisor;
    const { slots } = supervisor;
    const progress: Progress = (line) => {
      this.#log.info(`restart: ${line}.`);
      for (const follower of this.#followers) follower(line);
    };
    this.begun += 1;
    this.#comesTo(1);
    try {
      const release = this.#resolve();
      const old = slots.filter(({ current }) => current && current.release.id !== supervisor.release.id);
      const others = slots.filter((slot) => !old.includes(slot));
      const report = await rollingRestart({
        ...{ slots: [...old, ...others], release, progress },
        stopping: () => supervisor.stopping,
        pin: (pinned) => {
          supervisor.release = pinned;
        },
        comesTo: (step) => this.#comesTo(step),
      });
      const { result, error, durationMs } = report;
      this.#log.info(`restart: ${result} after ${durationMs} ms${error === undefined ? '.' : `: ${error}`}`);
      this.last = { ...report, at: new Date() };
      return report;
    } finally {
      this.#comesTo(undefined);
    }
  }

  #comesTo(step: number | undefined): void {
    this.step = step;
    this.#changed();
  }
}
