import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { isatty } from 'node:tty';
import type { WorkerStart as SentStart } from '@endless/core/internal';
import { decideAfter } from '../decide-after.js';
import { Pulse } from '../limits/pulse.js';
import { codeOf, type ProcessEnd } from '../process-end.js';
import { environmentOf } from '../program/environment.js';
import type { Inspector } from '../program/inspect.js';
import { argumentsOf, type Release } from '../program/program.js';
import type { HeldSocket } from '../supervisor/held-sockets.js';
import { Counts } from './counts.js';
import { type FromWorker, isFromWorker, RUN_PROTOCOL, type ToWorker } from './messages.js';
import { closeHandle, leaveUnread } from './node-private.js';
import { preferAsVictim } from './oom-score.js';
import { TICKET_SECRET } from './tickets.js';

/** What a new process of a worker runs, and what it gets. */
export interface WorkerStart {
  index: number;
  count: number;
  generation: number;
  release: Release;
  /** Where its inspector listens, if the program has one. */
  inspector: Inspector;
  /** The listening sockets that it inherits; a successor gets the others from its predecessor. */
  sockets: readonly HeldSocket[];
  /** For a successor: the handoff of its predecessor. */
  handoff?: string;
}

/** Receives what happens to a process. */
export interface WorkerEvents {
  message(worker: Worker, message: FromWorker, handle: unknown): void;
  exit(worker: Worker, end: ProcessEnd): void;
}

/** How far a process has come. */
export type WorkerState = 'starting' | 'ready' | 'draining' | 'gone';

/** The first descriptor after stdio and the channel to the supervisor. */
const FIRST_FD = 4;
/** The exit codes of a process that a stop signal or a force-close has ended. */
const WELL = (['SIGTERM', 'SIGINT', 'SIGUSR2'] as const).map((signal) => codeOf({ code: null, signal }));
/** How long the last messages of an exited process may take. */
const LAST_MESSAGES = 200;

/** One process of a worker. */
export class Worker {
  readonly pid: number;
  readonly index: number;
  /** What it reports once it is ready counts. */
  generation: number;
  readonly release: Release;
  readonly startedAt = performance.now();
  state: WorkerState = 'starting';
  /** When it became ready. */
  readyAt: number | undefined;
  /** Milliseconds that its drain may take (-1: no limit). */
  hammerTime: number;
  /** When its drain force-closes; undefined while it does not drain or has no limit. */
  deadline: number | undefined;
  /** How many connections it has got from its predecessor. */
  moved = 0;
  /** Whether it stops without having been asked to, and another process has its place. */
  stopsAlone = false;
  /** Whether it has got a stop signal, from here or from elsewhere. */
  signalled = false;
  /** How many of its calls of `endless.restart()` wait for the result. */
  calls = 0;
  /** What it answers to pings. */
  readonly pulse: Pulse;
  /** What it holds, if it is asked. */
  readonly counts = new Counts(() => this.send({ type: 'count' }));
  readonly #undos = new Set<() => void>();
  readonly #child: ChildProcess;
  /** The supervisor's end of the line to its predecessor, until the predecessor has got it. */
  readonly line: Socket | undefined;

  private constructor(start: WorkerStart, child: ChildProcess, pid: number, events: WorkerEvents) {
    this.#child = child;
    this.pid = pid;
    this.index = start.index;
    this.generation = start.generation;
    this.release = start.release;
    this.hammerTime = start.release.decided?.settings.hammerTime ?? 60_000;
    this.pulse = new Pulse(pid, () => this.send({ type: 'ping' }));
    this.line = start.handoff ? (child.stdio[FIRST_FD] as Socket) : undefined;
    if (this.line) {
      leaveUnread(this.line);
      this.line.on('error', () => {});
    }
    // A message or a signal that comes too late may fail: ignore that.
    child.on('error', () => {});
    child.on('message', (message, handle) => {
      if (isFromWorker(message) && !this.#hear(message)) events.message(this, message, handle);
      // A handle that came with anything else would stay open for ever.
      else closeHandle(handle);
    });
    child.once('exit', (code, signal) => {
      const gone = () => {
        if (this.state === 'gone') return;
        this.state = 'gone';
        for (const undo of this.#undos) undo();
        this.#undos.clear();
        this.line?.destroy();
        this.counts.answer();
        events.exit(this, { code, signal, at: new Date() });
      };
      // Its last messages, such as a listening socket, may still be unread.
      if (!child.connected) gone();
      else {
        child.once('disconnect', gone);
        this.#undos.add(decideAfter(LAST_MESSAGES, gone));
      }
    });
  }

  /** Starts a process; rejects if none was started. */
  static async start(start: WorkerStart, events: WorkerEvents): Promise<Worker> {
    const { index, count, generation, release, inspector, sockets, handoff } = start;
    const first = handoff ? FIRST_FD + 1 : FIRST_FD;
    const inherited = sockets.map(({ asked, bound }, at) => ({ asked, bound, fd: first + at }));
    const given = {
      ...{ protocol: RUN_PROTOCOL, pid: process.pid, index, generation, sockets: inherited },
      ...(handoff && { line: FIRST_FD }),
      ...release.decided,
    } satisfies SentStart;
    const args = argumentsOf(release, inspector);
    const env: NodeJS.ProcessEnv = {
      ...environmentOf(index, count, inspector),
      ...variablesOf(release.env),
      ENDLESS_SUPERVISOR: JSON.stringify(given),
      ...(handoff && { ENDLESS_HANDOFF: handoff }),
    };
    const child = spawn(release.command, args, {
      cwd: release.cwd,
      env,
      // Ctrl-C reaches the supervisor only.
      detached: true,
      stdio: [
        isatty(0) ? 'ignore' : 'inherit',
        'inherit',
        'inherit',
        'ipc',
        ...(handoff ? (['pipe'] as const) : []),
        ...sockets.map(({ handle }) => handle.fd),
      ],
    });
    // Without a pid no process was started; Node.js emits the reason soon after.
    if (child.pid === undefined) throw await new Promise((resolve) => child.once('error', resolve));
    preferAsVictim(child.pid);
    const worker = new Worker(start, child, child.pid, events);
    worker.send({ type: 'tickets', secret: TICKET_SECRET });
    return worker;
  }

  /** Sends it a message, with a pipe of the supervisor if there is one, which this process then closes. */
  send(message: ToWorker, pipe?: Socket): void {
    if (!this.#child.connected) {
      pipe?.destroy();
      return;
    }
    const sent = () => pipe?.destroy();
    if (pipe) this.#child.send(message, pipe, { keepOpen: true }, sent);
    else this.#child.send(message, () => {});
  }

  /** Sends it a copy of a listening socket. */
  sendSocket({ asked, bound, handle }: HeldSocket): void {
    if (!this.#child.connected) return;
    this.#child.send({ type: 'socket', asked, bound } satisfies ToWorker, handle as never, () => {});
  }

  /** What log lines call it. */
  get name(): string {
    return `worker ${this.index} (pid ${this.pid})`;
  }

  /** Does something in so many milliseconds, unless the process has exited by then. */
  later(ms: number, act: () => void): void {
    if (this.state === 'gone') return;
    this.#undos.add(decideAfter(ms, act));
  }

  /**
   * Whether a stop of it went well. After the drain, when its handlers are gone, a second stop signal or a
   * force-close ends it before its exit, and so does the first if its program has closed every server. A
   * program that listens to the signal may report it as a shell does.
   */
  endedWell(end: ProcessEnd): boolean {
    return end.code === 0 || WELL.includes(codeOf(end));
  }

  /** Sends it a stop signal unless it has got one: it takes a second one as an order to force-close. */
  stop(signal: NodeJS.Signals): void {
    if (!this.signalled) this.kill(signal);
    this.signalled = true;
  }

  /** Handles what is about this process alone; returns whether that was all. */
  #hear(message: FromWorker): boolean {
    if (message.type === 'pong') this.pulse.answer(message);
    else if (message.type === 'counts') this.counts.answer(message);
    else if (message.type === 'signalled') this.signalled = true;
    else return false;
    return true;
  }

  /** Sends it a signal; does nothing once it has exited. */
  kill(signal: NodeJS.Signals): void {
    if (this.state !== 'gone') this.#child.kill(signal);
  }
}

/** The variables of a release; null removes one. */
function variablesOf(env: Release['env']): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value ?? undefined]));
}
