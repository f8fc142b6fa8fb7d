import type { Log } from '../print/log.js';
import { howEnded } from '../process-end.js';
import type { RestartReport } from '../supervisor/rolling-restart.js';
import type { Supervisor } from '../supervisor/supervisor.js';
import type { Slot } from '../workers/slot.js';
import { abandon, endIfHanging, endStart } from './abandon.js';

/** What starts a program again of which no process lives. */
const NEXT = 'The next change or Enter starts it again';

/** The restarts of a watched program: one at a time, and one more for all changes that come meanwhile. */
export class WatchRestarts {
  readonly #supervisor: Supervisor;
  readonly #log: Log;
  /** What has changed since the last restart that was not given up. */
  readonly #changes = new Set<string>();
  #wanted = false;
  #running = false;
  /** The last restart that has its line, and the last crash. */
  #told: RestartReport | undefined;
  #toldCrash: Slot['lastCrash'];

  constructor(supervisor: Supervisor, log: Log) {
    this.#supervisor = supervisor;
    this.#log = log;
    supervisor.onChange(() => this.#look());
  }

  /** Restarts the program because of these changes. */
  request(changes: readonly string[]): void {
    for (const change of changes) this.#changes.add(change);
    this.#wanted = true;
    if (!this.#running) void this.#run();
    // What has not taken over yet may have read the files before they changed.
    else if (this.#slot) abandon(this.#slot, this.#log);
  }

  get #slot(): Slot | undefined {
    return this.#supervisor.slots[0];
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#wanted && !this.#supervisor.stopping) {
      this.#wanted = false;
      try {
        await this.#restart();
      } catch (error) {
        if (!this.#supervisor.stopping) this.#log.info(`watch: ${(error as Error).message}.`);
      }
    }
    this.#running = false;
  }

  async #restart(): Promise<void> {
    const supervisor = this.#supervisor;
    const slot = this.#slot;
    if (!slot) return;
    await endStart(slot, this.#log);
    const stopLooking = endIfHanging(slot, this.#log);
    let report = await supervisor.restart().finally(stopLooking);
    // The old process has exited meanwhile, and nothing was started.
    if (report.result === 'failed' && !slot.current && !this.#wanted) report = await supervisor.restart();
    if (report.result !== 'done' && this.#wanted) return;
    this.#tell(textOf(this.#changes), report);
    this.#changes.clear();
  }

  /** A restart is over: one line. */
  #tell(why: string, { result, error = '', durationMs }: RestartReport): void {
    this.#told = this.#supervisor.restarts.last;
    this.#toldCrash = this.#slot?.lastCrash;
    if (this.#supervisor.stopping) return;
    const current = this.#slot?.current;
    const reason = error.split('\n', 1)[0]?.replace(/^worker 0: /, '');
    if (!current) this.#log.info(`watch: ${why}: ${reason}. ${NEXT}.`);
    else if (result !== 'done') this.#log.info(`watch: ${why}: pid ${current.pid} serves on. ${reason}`);
    else {
      const began = performance.now() - durationMs;
      const ms = Math.max(0, Math.round((current.readyAt ?? began) - began));
      this.#log.info(
        `watch: ${why}: pid ${current.pid} serves after ${ms} ms, ${current.moved} connections moved.`,
      );
    }
  }

  /** Tells of what was not asked for here: a restart by another command, and a crash. */
  #look(): void {
    const { restarts, stopping } = this.#supervisor;
    if (this.#running || restarts.busy || stopping) return;
    if (restarts.last && restarts.last !== this.#told) this.#tell('restart', restarts.last);
    const crash = this.#slot?.lastCrash;
    if (!crash || this.#slot?.current || crash === this.#toldCrash) return;
    this.#toldCrash = crash;
    this.#log.info(`watch: the program ${howEnded(crash)}. ${NEXT}.`);
  }
}

/** The first change, and how many more there were; without a change it was the key. */
function textOf([first, ...others]: Iterable<string>): string {
  if (first === undefined) return 'Enter';
  if (others.length === 0) return `${first} changed`;
  return `${first} and ${others.length} ${others.length === 1 ? 'other' : 'others'} changed`;
}
