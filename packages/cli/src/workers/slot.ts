import { howEnded, NOT_STARTED, type ProcessEnd } from '../exit-codes.js';
import type { Log } from '../print/log.js';
import type { Release } from '../program/program.js';
import type { HeldSockets } from '../supervisor/held-sockets.js';
import { answerRestart, exitOf, Handover, type Replaced } from './handover.js';
import { killLate, killUnready } from './kill-late.js';
import { type FromWorker, RUN_PROTOCOL } from './messages.js';
import { isRawHandle } from './node-private.js';
import { Respawn } from './respawn.js';
import { Worker, type WorkerEvents } from './worker.js';

/** What a slot needs of its supervisor. */
export interface SlotContext {
  log: Log;
  sockets: HeldSockets;
  /** Milliseconds that a start without a predecessor may take. */
  startTimeout: number;
  /** How many workers there are. */
  count(): number;
  /** The release of the last successful start. */
  release(): Release;
  /** Whether no process may be started any more. */
  stopping(): boolean;
  /** Whether a process that exits by itself is started again. */
  respawns: boolean;
  /** The worker of this slot became ready. */
  ready(slot: Slot): void;
  /** A process of this slot has exited, or could not even be started. */
  exited(slot: Slot, worker: Worker | undefined, end: ProcessEnd): void;
  /** A worker asks for a restart of all. */
  restartAll(): Promise<unknown>;
}

/** A worker that stops by itself is replaced after this time, unless the supervisor has to stop too. */
const OWN_STOP = 250;

/** The place of one worker: its stable index, and the processes that take turns in it. */
export class Slot {
  readonly index: number;
  /** The process that serves, or starts to. */
  current: Worker | undefined;
  /** The process that takes over from it. */
  candidate: Worker | undefined;
  /** Every process that lives. */
  readonly living = new Set<Worker>();
  /** How the last process ended that crashed. */
  lastCrash: ProcessEnd | undefined;
  crashes = 0;
  /** Whether the slot goes away with its worker. */
  retired = false;
  /** The next start of this worker after a crash. */
  readonly respawn = new Respawn();
  readonly #context: SlotContext;
  readonly #parents = new Map<Worker, Worker>();
  readonly #events: WorkerEvents = {
    message: (worker, message, handle) => this.#hear(worker, message, handle),
    exit: (worker, end) => this.#exited(worker, end),
  };
  #handover: Handover | undefined;
  #generation = 0;

  constructor(index: number, context: SlotContext) {
    this.index = index;
    this.#context = context;
  }

  get ready(): boolean {
    return this.current?.state === 'ready';
  }

  /** Starts a process that inherits the sockets of the supervisor, without a predecessor. */
  async start(release = this.#context.release()): Promise<void> {
    this.respawn.cancel();
    if (this.retired) return;
    const { log, sockets, count, startTimeout } = this.#context;
    try {
      const start = { index: this.index, count: count(), generation: this.#generation, release };
      this.current = await Worker.start({ ...start, sockets: sockets.all() }, this.#events);
      this.living.add(this.current);
      killUnready(this.current, startTimeout, log);
    } catch (error) {
      log.info(`worker ${this.index} could not be started: ${(error as Error).message}`);
      this.#handover?.fail((error as Error).message);
      this.#context.exited(this, undefined, NOT_STARTED);
      this.#startAgain();
    }
  }

  /** Replaces the process by one of this release; rejects with the reason if the old one serves on. */
  async restart(release: Release): Promise<Replaced> {
    if (this.#handover) throw new Error('it restarts already');
    if (this.retired) throw new Error('it goes away');
    const handover = new Handover(release, () => {
      this.#handover = undefined;
    });
    this.#handover = handover;
    if (this.ready) this.current?.send({ type: 'restart' });
    else if (!this.current) void this.start(release);
    return { index: this.index, ...(await handover.over) };
  }

  /** Drains the worker and starts no other one. */
  retire(signal: NodeJS.Signals): void {
    this.retired = true;
    this.stop(signal);
  }

  /** Sends the processes that serve or start this signal; kills those that do not exit in time. */
  stop(signal: NodeJS.Signals): void {
    this.respawn.cancel();
    // A candidate is ended by its predecessor, and one that serves is the newest of its chain.
    const first = this.candidate?.state === 'ready' ? this.candidate : (this.current ?? this.candidate);
    first?.kill(signal);
    for (const worker of this.living) killLate(worker, worker.hammerTime, this.#context.log);
  }

  /** Force-closes what drains, or all; kills what does not exit then. */
  hammer(all: boolean): void {
    for (const worker of this.living) {
      if (!all && worker.state !== 'draining') continue;
      // A process that starts has no request yet, and no handler of the signal.
      worker.kill(worker.state === 'starting' ? 'SIGKILL' : 'SIGUSR2');
      killLate(worker, 0, this.#context.log);
    }
  }

  #hear(worker: Worker, message: FromWorker, handle: unknown): void {
    const { sockets } = this.#context;
    if (message.type === 'listening') {
      if (isRawHandle(handle)) sockets.add(worker, { ...message, handle });
      return;
    }
    if (isRawHandle(handle)) handle.close();
    switch (message.type) {
      case 'hello':
        if (message.protocol !== RUN_PROTOCOL) worker.kill('SIGKILL');
        break;
      case 'closed':
        sockets.closedBy(worker, message.bound);
        break;
      case 'ready':
        this.#becameReady(worker, message);
        break;
      case 'draining':
        this.#drains(worker, message);
        break;
      case 'spawn':
        void this.#spawn(worker, message);
        break;
      case 'kill':
        for (const [child, parent] of this.#parents)
          if (parent === worker && child.pid === message.pid) child.kill(message.signal);
        break;
      case 'committed':
        if (worker !== this.current || this.candidate?.pid !== message.pid) break;
        this.current = Object.assign(this.candidate, { moved: message.moved });
        this.candidate = undefined;
        this.#handover?.done(this.current);
        break;
      case 'rolled-back':
        if (this.candidate?.pid === message.pid) this.candidate = undefined;
        this.#handover?.fail(message.message);
        break;
      case 'not-restarted':
        this.#handover?.fail(message.message);
        break;
      case 'restart-all':
        void answerRestart(worker, message.id, this, this.#context.restartAll());
        break;
    }
  }

  #becameReady(worker: Worker, { generation, hammerTime }: { generation: number; hammerTime: number }): void {
    worker.state = 'ready';
    worker.readyAt ??= performance.now();
    worker.hammerTime = hammerTime;
    worker.generation = generation;
    this.#generation = generation;
    if (worker !== this.current) return;
    this.#context.sockets.replaced(this);
    // It may have been starting already, with the old release, when the restart began.
    if (this.#handover && worker.release !== this.#handover.release) worker.send({ type: 'restart' });
    else this.#handover?.done(worker);
    this.#context.ready(this);
  }

  #drains(worker: Worker, { reason, deadline }: { reason: string; deadline: number }): void {
    worker.state = 'draining';
    worker.stops ||= reason === 'shutdown';
    worker.deadline = deadline < 0 ? undefined : performance.now() + deadline;
    const { stopping, respawns, log } = this.#context;
    const wanted = stopping() || this.retired;
    if (wanted) killLate(worker, deadline, log);
    if (wanted || reason !== 'shutdown' || worker !== this.current || !respawns) return;
    // A signal to all processes of a service reaches this worker first, and then the supervisor.
    setTimeout(() => {
      if (worker !== this.current || stopping()) return;
      log.info(`${worker.name} stops by itself: starting another.`);
      this.current = undefined;
      void this.start();
    }, OWN_STOP);
  }

  async #spawn(worker: Worker, { id, handoff, restart }: FromWorker & { type: 'spawn' }): Promise<void> {
    const handover = this.#handover;
    if (worker !== this.current || this.candidate || !handover || this.#context.stopping()) {
      worker.send({ type: 'not-spawned', id, message: 'it is not the turn of this worker' });
      return;
    }
    try {
      const sockets = this.#context.sockets.notServedBy(worker);
      const place = { index: this.index, count: this.#context.count(), generation: worker.generation + 1 };
      const start = { ...place, release: handover.release, sockets };
      const candidate = await Worker.start({ ...start, handoff: { text: handoff, restart } }, this.#events);
      this.living.add(candidate);
      this.candidate = candidate;
      this.#parents.set(candidate, worker);
      worker.send({ type: 'spawned', id, pid: candidate.pid }, candidate.line);
    } catch (error) {
      worker.send({ type: 'not-spawned', id, message: (error as Error).message });
    }
  }

  #exited(worker: Worker, end: ProcessEnd): void {
    const { log, sockets, exited, stopping } = this.#context;
    this.living.delete(worker);
    const parent = this.#parents.get(worker);
    this.#parents.delete(worker);
    parent?.send(exitOf(worker, end));
    // Its addresses stay until another process serves them.
    if (this.retired || (this.ready && worker !== this.current)) sockets.left(worker);
    else sockets.crashed(worker, this);
    if (this.retired) sockets.left(this);
    // What was to be replaced was never ready: the new release may do better.
    const { release } = this.#handover ?? worker;
    const isNext = !this.retired && !worker.readyAt && worker.release !== release;
    if (worker === this.candidate) this.candidate = undefined;
    else if (worker === this.current) {
      this.lastCrash = end;
      this.current = this.candidate;
      this.candidate = undefined;
      if (this.current) {
        log.info(`${worker.name} ${howEnded(end)} during its restart.`);
        if (this.current.state === 'ready') this.#handover?.done(this.current);
      } else if (!isNext) this.#handover?.fail(`pid ${worker.pid} ${howEnded(end)}`);
    }
    exited(this, worker, end);
    if (this.current || this.retired || stopping() || this.lastCrash !== end) return;
    this.crashes += 1;
    if (isNext) void this.start(release);
    // A candidate may have lost its predecessor, whose clients wait.
    else this.#startAgain(worker, end, worker.readyAt ? worker : parent);
  }

  #startAgain(worker?: Worker, end?: ProcessEnd, served = worker): void {
    if (this.#context.stopping() || this.retired || !this.#context.respawns) return;
    const when = this.respawn.plan(served, () => void this.start());
    if (end) this.#context.log.info(`${worker?.name} ${howEnded(end)}: starting it again${when}.`);
  }
}
