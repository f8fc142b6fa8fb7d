import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { OutputText } from './output-text.js';
import { pidsWithEnv, tryKill } from './proc.js';

/** How a program starts. */
export interface ProgramOptions {
  args?: readonly string[];
  /** Entries added to the environment of this process; undefined removes one. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** The Node.js binary. Default: the one that runs the tests. */
  node?: string;
  execArgv?: readonly string[];
  /** The maximum of living processes; more are a fault, and all get killed. Default 8. */
  maxProcesses?: number;
  /** Default `ignore`. */
  stdin?: 'ignore' | 'pipe' | 'inherit';
  /** Gives the first process an IPC channel. */
  ipc?: boolean;
}

/** Where and how long `waitFor` looks. */
export interface WaitForOptions {
  /** Default `both`. */
  from?: 'stdout' | 'stderr' | 'both';
  /** Milliseconds. Default 15000. */
  timeout?: number;
  /** Skips this many characters of that text. */
  after?: number;
}

/** How a process ended. */
export interface ProgramExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A started program, with all processes that descend from it. */
export interface Program {
  /** The first process. */
  readonly pid: number;
  readonly child: ChildProcess;
  /** The text that all its processes have written so far; successors inherit the pipes. */
  readonly stdout: string;
  readonly stderr: string;
  /** Both, in the order of arrival. */
  readonly output: string;
  /** How the first process ended. */
  readonly exited: Promise<ProgramExit>;
  /** Resolves when the text matches; rejects with all output at its timeout, or when no process is left to write it. */
  waitFor(pattern: RegExp | string, options?: WaitForOptions): Promise<RegExpMatchArray>;
  /** Sends a signal to one of its processes, by default the first; refuses every other pid. */
  signal(signal: NodeJS.Signals, pid?: number): void;
  /** Its living processes. */
  pids(): number[];
  /** Resolves when exactly this many processes live, and what the others wrote was read. */
  waitForPids(count: number, timeout?: number): Promise<number[]>;
  /** Kills all its processes and waits until the last has exited. */
  stop(): Promise<void>;
}

/** Starts a Node.js program whose descendants can be found, counted and killed, also after their parents exit. */
export function startProgram(file: string, options: ProgramOptions = {}): Program {
  return new StartedProgram(file, options);
}

class StartedProgram implements Program {
  readonly child: ChildProcess;
  readonly exited: Promise<ProgramExit>;
  readonly #id = randomUUID();
  readonly #text = new OutputText();
  readonly #watchdog: NodeJS.Timeout;
  readonly #maxProcesses: number;
  #closed = false;

  constructor(file: string, options: ProgramOptions) {
    this.#maxProcesses = options.maxProcesses ?? 8;
    const args = [...(options.execArgv ?? []), file, ...(options.args ?? [])];
    const stdio: SpawnOptions['stdio'] = [options.stdin ?? 'ignore', 'pipe', 'pipe'];
    if (options.ipc) stdio.push('ipc');
    this.child = spawn(options.node ?? process.execPath, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env, [MARKER]: this.#id },
      stdio,
    });
    this.#text.read('stdout', this.child.stdout);
    this.#text.read('stderr', this.child.stderr);

    this.exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        const end = () => resolve({ code, signal });
        // At its close all of it was read. This exit comes before the failure of a text that is awaited.
        this.child.prependOnceListener('close', end);
        void readWhatIsWritten().then(end);
      });
      this.child.once('error', (error) => {
        this.#text.fail(`could not be started: ${error.message}`);
        resolve({ code: null, signal: null });
      });
    });
    this.child.once('close', () => {
      this.#closed = true;
      this.#watch();
    });
    this.#watchdog = setInterval(() => this.#watch(), 200).unref();
    killAllOnExit(this);
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get stdout(): string {
    return this.#text.stdout;
  }

  get stderr(): string {
    return this.#text.stderr;
  }

  get output(): string {
    return this.#text.both;
  }

  waitFor(
    pattern: RegExp | string,
    { from = 'both', timeout = 15_000, after = 0 }: WaitForOptions = {},
  ): Promise<RegExpMatchArray> {
    return this.#text.waitFor(pattern, from, timeout, after);
  }

  signal(signal: NodeJS.Signals, pid: number = this.pid): void {
    if (!this.pids().includes(pid)) {
      throw new Error(`${signal} not sent: ${pid} is no living process of this program.`);
    }
    process.kill(pid, signal);
  }

  pids(): number[] {
    return pidsWithEnv(MARKER, this.#id);
  }

  async waitForPids(count: number, timeout = 15_000): Promise<number[]> {
    const deadline = performance.now() + timeout;
    for (;;) {
      const pids = this.pids();
      if (pids.length === count) {
        await readWhatIsWritten();
        return pids;
      }
      if (performance.now() > deadline) {
        throw new Error(
          `Waited ${timeout} ms for ${count} processes, have ${pids.length} (${pids}).\n${this.output}`,
        );
      }
      await delay(20);
    }
  }

  async stop(): Promise<void> {
    const deadline = performance.now() + STOP_TIMEOUT;
    // A dying process may have started another one just before, hence two empty looks in a row.
    for (let empty = 0; empty < 2; ) {
      empty = this.killAll() === 0 ? empty + 1 : 0;
      if (performance.now() > deadline) throw new Error(`Processes left after a kill: ${this.pids()}`);
      await delay(10);
    }
    clearInterval(this.#watchdog);
    running.delete(this);
    this.#text.fail('was stopped');
    if (this.child.pid !== undefined) await this.exited;
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
  }

  killAll(): number {
    const pids = this.pids();
    for (const pid of pids) tryKill(pid, 'SIGKILL');
    return pids.length;
  }

  #watch(): void {
    const living = this.pids().length;
    if (living > this.#maxProcesses || this.#text.isFlooded) {
      const why = this.#text.isFlooded ? 'too much output' : `${living} processes at once`;
      this.#text.fail(`runaway: ${why}, all were killed`);
      this.killAll();
    } else if (living === 0 && this.#closed) {
      this.#text.fail('has ended, no process of it is left');
      clearInterval(this.#watchdog);
      running.delete(this);
    }
  }
}

const MARKER = 'ENDLESS_TEST_ID';
const STOP_TIMEOUT = 10_000;

/** Lets this process read what others have written by now: their exit can be seen before their last output. */
async function readWhatIsWritten(): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) await nextTurn();
}

// Tests that die must not leave servers behind.
const running = new Set<StartedProgram>();

function killAllOnExit(program: StartedProgram): void {
  if (!isExitWatched) {
    isExitWatched = true;
    process.on('exit', () => {
      for (const each of running) each.killAll();
    });
  }
  running.add(program);
}

let isExitWatched = false;
