import { EventEmitter } from 'node:events';
import type { Settings } from '../../src/settings.js';
import { Random } from '../random.js';
import { Clock, settled } from './clock.js';
import { type ChannelContext, channelBetween, ListeningHandle, type PipeHandle } from './kernel.js';
import { type Ended, SimProcess } from './process.js';

/** What a program does in its first turn. */
export type Program = (process: SimProcess) => void;

/** What a watcher of a simulation gets. */
export interface Watcher {
  spawned(parent: SimProcess, child: SimProcess): void;
  sent(from: string, to: string, message: object, handle: boolean): void;
  event(process: SimProcess, name: string, details: object): void;
  exited(process: SimProcess, ended: Ended): void;
  log(process: SimProcess, text: string): void;
  /** A step is over. */
  stepped(): void;
}

/** How long a process takes from its spawn to its first line. */
const BOOT_TIME = 10;
/** The names of the processes of a transcript, in the order of their start. */
const NAMES = ['old', 'new', 'newest'];

/** Processes that restart each other, with their channels and sockets, on a clock that is moved by hand. */
export class Simulation {
  readonly clock = new Clock();
  readonly random: Random;
  readonly processes: SimProcess[] = [];
  /** For each child, its parent and their channel. */
  readonly children = new Map<SimProcess, { parent: SimProcess; pipe: PipeHandle; emitter: EventEmitter }>();
  settings: Settings = {};
  /** The programs of the next processes; all that follow run the last one. */
  readonly programs: Program[] = [];
  latency: () => number | undefined = () => 1;
  #watcher: Watcher;

  constructor(watcher: Watcher, seed = 1) {
    this.#watcher = watcher;
    this.random = new Random(seed);
  }

  /** Starts the first process. */
  start(): SimProcess {
    const process = this.#create();
    process.boot(this.#program(), {});
    return process;
  }

  /** Starts the successor of a process; returns what Node.js would return for it. */
  spawn(parent: SimProcess, env: NodeJS.ProcessEnv): EventEmitter {
    const child = this.#create();
    const context: ChannelContext = {
      clock: this.clock,
      latency: () => this.latency(),
      onSent: (from, to, message, handle) => this.#watcher.sent(from, to, message, handle),
    };
    const [pipe, childPipe] = channelBetween(parent, child, context);
    const unref = parent.keep();
    const emitter = Object.assign(new EventEmitter(), {
      pid: child.pid,
      channel: pipe,
      unref: () => unref(),
      kill: (signal: NodeJS.Signals) => child.signal(signal),
    });
    emitter.once('exit', () => unref());
    this.children.set(child, { parent, pipe, emitter });
    this.#watcher.spawned(parent, child);
    const release = child.keep();
    const program = this.#program();
    this.clock.in(BOOT_TIME, () => {
      release();
      if (child.alive) child.boot(program, env, childPipe);
    });
    return emitter;
  }

  /** Whether a process holds a listening socket of this port. */
  bound(port: number): boolean {
    return this.processes.some((process) =>
      [...process.handles].some((handle) => handle instanceof ListeningHandle && handle.socket.port === port),
    );
  }

  /** Lets so many milliseconds pass. */
  async run(ms: number): Promise<void> {
    const until = this.clock.now + ms;
    await this.step(settled);
    while (this.clock.dueBy(until)) await this.step(() => this.clock.step());
    this.clock.now = until;
  }

  /** Runs `fn`, with all that follows at once. */
  async step(fn: () => unknown): Promise<void> {
    await fn();
    await settled();
    for (const process of this.processes) if (process.booted && process.exitIfIdle()) await settled();
    this.#watcher.stepped();
  }

  /** The process of this pid. */
  byPid(pid: number): SimProcess | undefined {
    return this.processes.find((process) => process.pid === pid);
  }

  onEvent(process: SimProcess, name: string, details: object): void {
    this.#watcher.event(process, name, details);
  }

  onLog(process: SimProcess, text: string): void {
    this.#watcher.log(process, text);
  }

  onExit(process: SimProcess, ended: Ended): void {
    this.#watcher.exited(process, ended);
    const { parent, emitter } = this.children.get(process) ?? {};
    this.clock.in(1, () => parent?.alive && emitter?.emit('exit', ended.exitCode, ended.signal));
  }

  #create(): SimProcess {
    const at = this.processes.length;
    const process = new SimProcess(this, 101 + at, NAMES[at] ?? `p${at + 1}`);
    this.processes.push(process);
    return process;
  }

  #program(): Program {
    const program = this.programs.length > 1 ? this.programs.shift() : this.programs[0];
    return program ?? (() => {});
  }
}
