import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, EXIT, howEnded, type ProcessEnd } from '../exit-codes.js';
import type { Release } from '../program/program.js';
import { Slot } from '../workers/slot.js';
import type { Worker } from '../workers/worker.js';
import { GiveUp } from './give-up.js';
import { HeldSockets } from './held-sockets.js';
import type { RunOptions } from './options.js';
import { type RestartReport, rollingRestart } from './rolling-restart.js';
import { Turns } from './turns.js';

/** How long after worker 0 the others start. */
const SETTLE_TIME = 200;
/** How often a change of the number of workers looks whether its time is over. */
const LOOK_AGAIN = 50;

/** Gets each step of a restart. */
export type Progress = (line: string) => void;

/** Starts the workers of a program, keeps them running, and replaces them. It runs no code of the program. */
export class Supervisor {
  readonly slots: Slot[] = [];
  readonly sockets = new HeldSockets({
    // Also the worker that listens gets one: its program may close the server, and listen again at once.
    added: (socket) => {
      for (const worker of this.#processes) worker.sendSocket(socket);
    },
    known: (worker, socket) => worker.sendSocket(socket),
    dropped: ({ bound }) => {
      for (const worker of this.#processes) worker.send({ type: 'drop', bound });
    },
  });
  readonly startedAt = new Date();
  /** The release of the last successful start. */
  release: Release;
  lastRestart: (RestartReport & { at: Date }) | undefined;
  /** Resolves with the exit code of the run. */
  readonly ended: Promise<number>;
  readonly #options: RunOptions;
  readonly #restarts: Turns<RestartReport>;
  readonly #giveUp: GiveUp;
  readonly #followers = new Set<Progress>();
  /** The slots that go away with their workers. */
  readonly #leaving = new Set<Slot>();
  readonly #observers: (() => void)[] = [];
  #target: number;
  #everReady = false;
  #stopping = false;
  #exitCode: number = EXIT.done;
  #startTimer: NodeJS.Timeout | undefined;
  #lastEnd: ProcessEnd = { code: 0, signal: null };
  #end: (code: number) => void = () => {};

  constructor(options: RunOptions) {
    this.#options = options;
    this.#target = options.workers;
    this.release = options.program.resolve();
    this.#restarts = new Turns(() => this.#restartAll());
    this.#giveUp = new GiveUp(options.giveUp, () => this.#noneWasReady());
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Starts worker 0 alone: it opens the sockets, and the others inherit them. */
  start(): void {
    const { startTimeout, log } = this.#options;
    this.#startTimer = setTimeout(() => {
      log.info(`worker 0 was not ready within ${startTimeout / 1_000} s: giving up.`);
      for (const worker of this.slots[0]?.living ?? []) worker.kill('SIGKILL');
    }, startTimeout);
    void this.#addSlot().start();
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Whether a worker was ready at any time. */
  get everReady(): boolean {
    return this.#everReady;
  }

  get restarting(): boolean {
    return this.#restarts.busy;
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
    if (this.#stopping) throw new Error('the supervisor stops');
    if (!this.#everReady) throw new Error('the first worker is not ready yet');
    if (this.#restarts.busy) progress('a restart is under way: one more follows it');
    this.#followers.add(progress);
    try {
      return await this.#restarts.take();
    } finally {
      this.#followers.delete(progress);
    }
  }

  /** Sets the number of workers; resolves when the new ones are ready, or the others have exited. */
  async scale(count: number, progress: Progress = () => {}): Promise<void> {
    await this.#restarts.idle();
    if (this.#stopping) throw new Error('the supervisor stops');
    this.#target = count;
    for (const slot of this.slots.splice(count)) {
      if (slot.living.size > 0) this.#leaving.add(slot);
      slot.retire('SIGTERM');
    }
    if (this.#everReady) this.#fill();
    progress(`${count} workers wanted`);
    const until = performance.now() + this.#options.startTimeout;
    while (!this.#stopping && (this.ready < this.slots.length || this.#leaving.size > 0)) {
      if (this.ready < this.slots.length && performance.now() > until)
        throw new Error(`${this.ready} of ${count} workers are ready`);
      await sleep(LOOK_AGAIN);
    }
  }

  /** Drains all workers and ends the run. */
  stop(signal: NodeJS.Signals): void {
    const { log } = this.#options;
    if (!this.#stopping && this.#processes.length > 0) log.info(`Stopping all workers by ${signal}.`);
    this.#begin();
    for (const slot of this.#allSlots) slot.stop(signal);
    this.#maybeEnd();
  }

  /** Force-closes what drains. */
  hammer(): void {
    for (const slot of this.#allSlots) slot.hammer(this.#stopping);
  }

  get #allSlots(): Slot[] {
    return [...this.slots, ...this.#leaving];
  }

  get #processes(): Worker[] {
    return this.#allSlots.flatMap(({ living }) => [...living]);
  }

  #addSlot(): Slot {
    const { log } = this.#options;
    const slot = new Slot(this.slots.length, {
      ...{ log, sockets: this.sockets },
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
      clearTimeout(this.#startTimer);
      // A program opens its further servers right after the first: the other workers inherit those too.
      setTimeout(() => this.#fill(), SETTLE_TIME);
    }
    this.#changed();
  }

  #exited(slot: Slot, worker: Worker | undefined, end: ProcessEnd): void {
    const { log } = this.#options;
    const served = worker?.readyAt !== undefined;
    if (this.#stopping) {
      if (served && (end.code !== 0 || end.signal)) this.#exitCode ||= EXIT.failed;
    } else if (!this.#everReady) {
      if (end.code !== 0) log.info(`worker 0 ${howEnded(end)} before it was ready.`);
      this.#exitCode = codeOf(end);
      this.#begin();
    } else if (!slot.current) {
      this.#lastEnd = end;
      if (this.ready === 0) this.#giveUp.begin();
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

  async #restartAll(): Promise<RestartReport> {
    const { log, program } = this.#options;
    const progress: Progress = (line) => {
      log.info(`restart: ${line}.`);
      for (const follower of this.#followers) follower(line);
    };
    // Not before this run counts as one.
    setImmediate(() => this.#changed());
    const release = program.resolve();
    const old = this.slots.filter(({ current }) => current && current.release !== this.release);
    const others = this.slots.filter((slot) => !old.includes(slot));
    const report = await rollingRestart({
      ...{ slots: [...old, ...others], release, progress },
      stopping: () => this.#stopping,
      pin: (pinned) => {
        this.release = pinned;
      },
    });
    const { result, error, durationMs } = report;
    log.info(`restart: ${result} after ${durationMs} ms${error === undefined ? '.' : `: ${error}`}`);
    this.lastRestart = { ...report, at: new Date() };
    setImmediate(() => this.#changed());
    return report;
  }

  #begin(): void {
    this.#stopping = true;
    this.#giveUp.cancel();
    clearTimeout(this.#startTimer);
    for (const slot of this.slots) slot.respawn.cancel();
    // Before the workers stop: a client that connects to a queue without a worker would wait in vain.
    this.sockets.close();
    this.#changed();
  }

  #changed(): void {
    for (const look of this.#observers) look();
  }

  #maybeEnd(): void {
    if (this.#stopping && this.#processes.length === 0) this.#end(this.#exitCode);
  }
}
