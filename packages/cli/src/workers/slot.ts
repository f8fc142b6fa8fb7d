import { howEnded, NOT_STARTED, type ProcessEnd } from '../process-end.js';
import { changed } from '../program/changes.js';
import { type Inspector, waitsForDebugger } from '../program/inspect.js';
import type { Release } from '../program/program.js';
import { Addresses } from './addresses.js';
import { answerRestart, Handover } from './handover.js';
import { killLate, killUnready } from './kill-late.js';
import { type FromWorker, RUN_PROTOCOL } from './messages.js';
import { Respawn } from './respawn.js';
import type { SlotContext } from './slot-context.js';
import { forceClose, Stop } from './stop.js';
import { Successors } from './successors.js';
import { Worker, type WorkerEvents } from './worker.js';

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
  /** How often a process was replaced, by the reason. */
  readonly replacedBy = { crash: 0, memory: 0, age: 0, stall: 0 };
  /** Whether the slot goes away with its worker. */
  retired = false;
  /** The next start of this worker after a crash. */
  readonly respawn = new Respawn();
  readonly #context: SlotContext;
  readonly #successors = new Successors();
  readonly #stop: Stop;
  readonly #addresses: Addresses;
  readonly #events: WorkerEvents = {
    message: (worker, message, handle) => this.#hear(worker, message, handle),
    exit: (worker, end) => this.#exited(worker, end),
  };
  #handover: Handover | undefined;
  #generation = 0;
  /** What the last process ran that became ready. */
  #last: Release | undefined;

  constructor(index: number, context: SlotContext) {
    this.index = index;
    this.#context = context;
    this.#stop = new Stop(context.log);
    this.#addresses = new Addresses(context);
  }

  get ready(): boolean {
    return this.current?.state === 'ready';
  }

  /** Starts a process that inherits the sockets of the supervisor, without a predecessor. */
  async start(wanted = this.#context.release()): Promise<void> {
    this.respawn.cancel();
    if (this.retired) return;
    const { log, sockets, count, startTimeout } = this.#context;
    // With what its own settings have changed.
    const release = this.#last?.id === wanted.id ? this.#last : wanted;
    try {
      const { index, inspector } = this;
      const start = { index, count: count(), generation: this.#generation, release, inspector };
      this.current = await Worker.start({ ...start, sockets: sockets.all() }, this.#events);
      this.living.add(this.current);
      if (inspector !== 'given' || !waitsForDebugger(release.options))
        killUnready(this.current, startTimeout, log);
    } catch (error) {
      log.info(`worker ${this.index} could not be started: ${(error as Error).message}`);
      this.#handover?.fail((error as Error).message);
      this.#context.exited(this, undefined, NOT_STARTED);
      this.#startAgain();
    }
  }

  /** The given port is for worker 0, while no other process of it lives. */
  get inspector(): Inspector {
    if (this.index > 0 || this.living.size > 0) return 'free';
    return this.#last ? 'again' : 'given';
  }

  /** Replaces the process by one of this release, and resolves with its pid; rejects if the old one serves on. */
  async restart(release: Release): Promise<number> {
    if (this.#handover) throw new Error('it restarts already');
    if (this.retired) throw new Error('it goes away');
    const handover = new Handover(release, () => {
      this.#handover = undefined;
    });
    this.#handover = handover;
    if (this.ready) this.current?.send({ type: 'restart' });
    else if (!this.current) void this.start(release);
    return handover.over;
  }

  /** Drains the worker and starts no other one. */
  retire(signal: NodeJS.Signals): void {
    this.retired = true;
    this.stop(signal);
  }

  /** Sends the processes that serve or start this signal; kills those that do not exit in time. */
  stop(signal: NodeJS.Signals): void {
    this.respawn.cancel();
    this.#stop.begin(this, signal);
  }

  /** Force-closes what drains, or all; kills what does not exit then. */
  hammer(all: boolean): void {
    forceClose(this, all, this.#context.log);
  }

  #hear(worker: Worker, message: FromWorker, handle: unknown): void {
    const { log } = this.#context;
    if (this.#addresses.hear(worker, message, handle)) return;
    switch (message.type) {
      case 'hello':
        if (message.inspector) log.info(`${worker.name} has its inspector on ${message.inspector}.`);
        if (message.protocol !== RUN_PROTOCOL) worker.kill('SIGKILL');
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
        this.#successors.kill(worker, message);
        break;
      case 'committed':
        if (worker !== this.current || this.candidate?.pid !== message.pid) break;
        this.current = Object.assign(this.candidate, { moved: message.moved });
        this.candidate = undefined;
        this.#took(this.current);
        break;
      case 'rolled-back':
      case 'not-restarted':
        if ('pid' in message && this.candidate?.pid === message.pid) this.candidate = undefined;
        this.#handover?.fail(message.message);
        this.#stop.reach(worker);
        break;
      case 'restart-all':
        void answerRestart(worker, message.id, this, this.#context.restartAll());
        break;
    }
  }

  /** This process serves in this slot from now on. */
  #took(worker: Worker): void {
    this.#last = worker.release;
    this.#addresses.nextServes();
    this.#handover?.done(worker);
    // It may have got a signal of its own within the rollback window.
    if (worker.state === 'draining') this.#drainsAlone(worker, 'shutdown');
  }

  #becameReady(worker: Worker, { generation, hammerTime }: { generation: number; hammerTime: number }): void {
    worker.state = 'ready';
    worker.readyAt ??= performance.now();
    worker.hammerTime = hammerTime;
    worker.generation = generation;
    this.#generation = generation;
    this.#stop.reach(worker);
    if (worker !== this.current) return;
    this.#last = worker.release;
    this.respawn.serves();
    this.#addresses.nextServes();
    // It may have been starting already, with the old release, when the restart began.
    if (this.#handover && worker.release.id !== this.#handover.release.id) worker.send({ type: 'restart' });
    else this.#handover?.done(worker);
    this.#context.ready(this);
  }

  #drains(worker: Worker, { reason, deadline }: FromWorker & { type: 'draining' }): void {
    worker.state = 'draining';
    worker.deadline = deadline < 0 ? undefined : performance.now() + deadline;
    this.#addresses.processEnds(worker, this);
    if (this.#stop.begun) killLate(worker, deadline, this.#context.log);
    if (worker === this.current) this.#drainsAlone(worker, reason);
  }

  /** The process that serves drains, and no other serves in its place. */
  #drainsAlone(worker: Worker, reason: string): void {
    if (this.#stop.begun) return;
    if (reason === 'restart') {
      // It reports the commit before its drain, so its successor has exited just before the commit.
      this.#handover?.fail(`pid ${worker.pid} had handed over to a process that exited`);
      this.#replace(worker, 'drains, and its successor has exited: starting another');
    } else if (this.#context.respawns)
      // A signal to all processes of a service reaches this worker first, and then the supervisor.
      worker.later(OWN_STOP, () => this.#replace(worker, 'stops by itself: starting another'));
  }

  /** Starts another process in the place of one that drains. */
  #replace(worker: Worker, why: string): void {
    if (worker !== this.current || this.#stop.begun) return;
    this.current = undefined;
    worker.stopsAlone = true;
    this.#addresses.keepFor(worker);
    this.#startAgain(worker, why);
  }

  async #spawn(worker: Worker, request: FromWorker & { type: 'spawn' }): Promise<void> {
    const handover = this.#handover;
    if (worker !== this.current || this.candidate || !handover || this.#stop.begun) {
      worker.send({ type: 'not-spawned', id: request.id, message: 'it is not the turn of this worker' });
      return;
    }
    const place = { index: this.index, count: this.#context.count(), generation: worker.generation + 1 };
    const release = changed(handover.release, request.restart);
    const sockets = this.#context.sockets.notServedBy(worker);
    const start = { ...place, release, inspector: 'free' as const, sockets };
    const successor = await this.#successors.start(worker, request, start, this.#events);
    if (!successor) return;
    this.living.add(successor);
    this.candidate = successor;
  }

  #exited(worker: Worker, end: ProcessEnd): void {
    const { log, startTimeout, exited, stopping } = this.#context;
    this.living.delete(worker);
    this.#successors.exited(worker, end);
    if (worker === this.current || !this.ready) this.#addresses.keepFor(worker);
    this.#addresses.processEnds(worker, this);
    // What was to be replaced was never ready: the new release may do better.
    const { release } = this.#handover ?? worker;
    const isNext = !this.retired && !worker.readyAt && worker.release.id !== release.id;
    if (worker === this.candidate) this.candidate = undefined;
    else if (worker === this.current) {
      this.lastCrash = end;
      this.current = this.candidate;
      this.candidate = undefined;
      if (this.current) {
        log.info(`${worker.name} ${howEnded(end)} during its restart.`);
        if (this.current.state !== 'starting') this.#took(this.current);
        // It takes over alone if it can, and no predecessor watches it any more.
        else killUnready(this.current, startTimeout, log);
      } else if (!isNext) this.#handover?.fail(`pid ${worker.pid} ${howEnded(end)}`);
    }
    exited(this, worker, end);
    if (this.current || this.retired || stopping() || this.lastCrash !== end) return;
    this.replacedBy[worker.pulse.doomed ? 'stall' : 'crash'] += 1;
    if (isNext) void this.start(release);
    else this.#startAgain(worker, `${howEnded(end)}: starting it again`);
  }

  #startAgain(worker?: Worker, why?: string): void {
    if (this.#context.stopping() || this.retired || !this.#context.respawns) return;
    const when = this.respawn.plan(() => void this.start());
    if (why) this.#context.log.info(`${worker?.name} ${why}${when}.`);
  }
}
