import { EXIT } from '../exit-codes.js';
import { codeOf, howEnded, type ProcessEnd } from '../process-end.js';
import type { Release } from '../program/program.js';
import { Searches } from '../workers/searches.js';
import { Slot } from '../workers/slot.js';
import type { Worker } from '../workers/worker.js';
import { GiveUp } from './give-up.js';
import { HeldSockets } from './held-sockets.js';
import { Lock } from './lock.js';
import type { RunOptions } from './options.js';
import { type Progress, Restarts } from './restarts.js';
import type { RestartReport } from './rolling-restart.js';
import { type Count, type ScaleReport, scaleTo } from './scaling.js';

/** How long after worker 0 the others start. */
const SETTLE_TIME = 200;

/** Starts the workers of a program, keeps them running, and replaces them. It runs no code of the program. */
export class Supervisor {
  readonly slots: Slot[] = [];
  readonly sockets = new HeldSockets({
    // Also the worker that listens gets one: its program may close the server, and listen again at once.
    added: (socket) => {
      for (const worker of this.processes) worker.sendSocket(socket);
    },
    known: (worker, socket) => worker.sendSocket(socket),
    dropped: ({ bound }) => {
      for (const worker of this.processes) worker.send({ type: 'drop', bound });
    },
  });
  /** Held while workers are replaced. */
  readonly lock = new Lock();
  readonly startedAt = new Date();
  /** The script as it was typed. */
  readonly script: string;
  /** The release of the last successful start. */
  release: Release;
  /** Resolves with the exit code of the run. */
  readonly ended: Promise<number>;
  readonly #options: RunOptions;
  readonly restarts: Restarts;
  readonly #giveUp: GiveUp;
  readonly #searches = new Searches(() => this.processes);
  /** The slots that go away with their workers. */
  readonly #leaving = new Set<Slot>();
  readonly #observers: (() => void)[] = [];
  #target: number;
  #everReady = false;
  #stopping = false;
  /** Resolves when the first worker is ready and the others start, or the run ends. */
  readonly #started: Promise<void>;
  #resolveStarted: () => void = () => {};
  #exitCode: number = EXIT.done;
  #lastEnd: ProcessEnd = { code: 0, signal: null };
  #end: (code: number) => void = () => {};

  constructor(options: RunOptions) {
    this.#options = options;
    this.#target = options.workers;
    const { program, restartLog } = options;
    this.script = program.name;
    this.release = program.resolve();
    this.restarts = new Restarts(
      restartLog,
      this,
      () => program.resolve(),
      () => this.#changed(),
    );
    this.#giveUp = new GiveUp(options.giveUp, () => this.#noneWasReady());
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#started = new Promise((resolve) => {
      this.#resolveStarted = resolve;
    });
  }

  /** Starts worker 0 alone: it opens the sockets, and the others inherit them. */
  start(): void {
    // A restart starts a watched program whose first start has failed.
    if (this.#options.watches) this.#resolveStarted();
    void this.#addSlot().start();
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Whether every worker that has to go is gone. */
  get allGone(): boolean {
    return this.#leaving.size === 0;
  }

  /** Whether a worker was ready at any time. */
  get everReady(): boolean {
    return this.#everReady;
  }

  /** How many workers there should be. */
  get target(): number {
    return this.#target;
  }

  get ready(): number {
    return this.slots.filter(({ ready }) => ready).length;
  }

  /** Calls `look` whenever a worker or the supervisor may have changed its state. */
  onChange(look: () => void): void {
    this.#observers.push(look);
  }

  /** Replaces all workers; `progress` gets each step. */
  async restart(progress: Progress = () => {}): Promise<RestartReport> {
    if (!this.#everReady && !this.#stopping) progress('the first worker starts: the restart follows');
    await this.#started;
    if (this.#stopping) throw new Error('the supervisor stops');
    return this.restarts.take(progress);
  }

  /** Changes the number of workers, after a restart that is under way. */
  async scale(wanted: Count, progress: Progress = () => {}): Promise<ScaleReport> {
    if (this.restarts.busy) progress('a restart is under way: this follows it');
    await this.#started;
    await this.restarts.idle();
    if (this.#options.watches) throw new Error('a watched program has one worker');
    const count = wanted(this.#target);
    progress(`${count} workers wanted`);
    return scaleTo(count, this.#options.startTimeout, this);
  }

  /** Starts the workers that are missing, or drains those that are too many. */
  setTarget(count: number): void {
    if (this.#stopping) return;
    this.#target = count;
    for (const slot of this.slots.splice(count)) {
      if (slot.living.size > 0) this.#leaving.add(slot);
      slot.retire('SIGTERM');
    }
    this.#fill();
  }

  /** Drains all workers and ends the run. */
  stop(signal: NodeJS.Signals): void {
    const { log } = this.#options;
    // A worker takes a second signal as an order to force-close.
    if (this.#stopping) return;
    this.#stopping = true;
    if (this.processes.length > 0) log.info(`Stopping all workers by ${signal}.`);
    this.#giveUp.cancel();
    this.#resolveStarted();
    // Before the workers stop: a client that connects to a queue without a worker would wait in vain.
    this.sockets.close();
    for (const slot of this.#allSlots) slot.stop(signal);
    this.#changed();
    this.#maybeEnd();
  }

  /** Force-closes what drains. */
  hammer(): void {
    for (const slot of this.#allSlots) slot.hammer(this.#stopping);
  }

  get #allSlots(): Slot[] {
    return [...this.slots, ...this.#leaving];
  }

  /** Every process that lives, also those of workers that go away. */
  get processes(): Worker[] {
    return this.#allSlots.flatMap(({ living }) => [...living]);
  }

  #addSlot(): Slot {
    const { log, startTimeout, watches } = this.#options;
    const slot = new Slot(this.slots.length, {
      ...{ log, startTimeout, sockets: this.sockets, searches: this.#searches, respawns: !watches },
      count: () => this.#target,
      release: () => this.release,
      stopping: () => this.#stopping,
      ready: (ready) => this.#ready(ready),
      exited: (exited, worker, end) => this.#exited(exited, worker, end),
      restartAll: async () => {
        const { result, error } = await this.restart();
        if (result !== 'done') throw new Error(error);
      },
    });
    this.slots.push(slot);
    return slot;
  }

  /** Starts the workers that are missing. */
  #fill(): void {
    while (!this.#stopping && this.slots.length < this.#target) void this.#addSlot().start();
  }

  #ready(slot: Slot): void {
    const { log } = this.#options;
    this.#giveUp.cancel();
    log.info(`worker ${slot.index}: pid ${slot.current?.pid} is ready (${this.ready} of ${this.#target}).`);
    if (!this.#everReady) {
      this.#everReady = true;
      // A program opens its further servers right after the first: the other workers inherit those too.
      setTimeout(() => {
        this.#fill();
        this.#resolveStarted();
      }, SETTLE_TIME);
    }
    this.#changed();
  }

  #exited(slot: Slot, worker: Worker | undefined, end: ProcessEnd): void {
    const { log, watches } = this.#options;
    const served = worker?.readyAt !== undefined;
    if (this.#stopping) {
      if (served && !worker.endedWell(end)) this.#exitCode ||= EXIT.failed;
    } else if (!this.#everReady && !watches) {
      if (end.code !== 0) log.info(`worker 0 ${howEnded(end)} before it was ready.`);
      this.#exitCode = codeOf(end);
      // Another process may have been started in the place of one that drained.
      this.stop('SIGTERM');
    } else if (this.ready === 0) {
      this.#lastEnd = end;
      this.#giveUp.begin();
    }
    if (slot.living.size === 0) this.#leaving.delete(slot);
    this.#changed();
    this.#maybeEnd();
  }

  #noneWasReady(): void {
    const { giveUp, log } = this.#options;
    log.info(`No worker was ready for ${giveUp / 1_000} s: giving up.`);
    this.#exitCode = codeOf(this.#lastEnd) || EXIT.failed;
    this.stop('SIGTERM');
  }

  #changed(): void {
    for (const look of this.#observers) look();
  }

  #maybeEnd(): void {
    if (this.#stopping && this.processes.length === 0) this.#end(this.#exitCode);
  }
}
