import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { debuglog } from 'node:util';
import { Debug } from './debug.js';
import { bindLike } from './handoff/bind-like.js';
import { watchListening } from './listen/watch.js';
import type { RawHandle } from './node-private/handle.js';
import { type IpcEnd, ipcEndFrom, ipcEndOf, type TakenIpc } from './node-private/ipc.js';
import { ipcEndAround } from './node-private/pipe.js';
import { hasTerminal, inForeground } from './signals/terminal.js';

/** Everything outside this process that endless touches, so that its parts can be tested without it. */
export interface World {
  readonly pid: number;
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  ppid(): number;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** The time of day. */
  date(): Date;
  /** At least 0, less than 1. */
  random(): number;
  /** Runs `fn` once after `ms`, without keeping the process alive; returns the undo. */
  after(ms: number, fn: () => void): () => void;
  /** Runs `fn` every `ms`, without keeping the process alive; returns the undo. */
  every(ms: number, fn: () => void): () => void;
  /** Runs `fn` once the events of this turn of the event loop have been read; it keeps the process alive until then. */
  turn(fn: () => void): void;
  /** Keeps the process alive until the returned undo is called. */
  stayAlive(): () => void;
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
  exit(status: number): void;
  setExitCode(status: number): void;
  /** With which status the process exits by itself. */
  exitCode(): number;
  /** Where signals are listened to. */
  readonly signals: NodeJS.EventEmitter;
  /** Calls `fn` at each signal, before the application's listeners; returns the undo. */
  onSignal(signal: NodeJS.Signals, fn: () => void): () => void;
  /** Sends this process a signal. */
  raise(signal: NodeJS.Signals): void;
  /** Calls `fn` when the program sends itself a signal, before that arrives; returns the undo. */
  onRaise(fn: (signal: unknown) => void): () => void;
  /** What keeps this process alive, by kind. */
  resources(): readonly string[];
  onExit(fn: () => void): () => void;
  writeError(text: string): void;
  /** Whether this process has a controlling terminal that can still be opened. */
  hasTerminal(): boolean;
  /** What `NODE_DEBUG=endless` shows of this process. */
  readonly debug: Debug;
  /** How wide the terminal is that shows what `writeError` writes; undefined where none does, or where it is another's. */
  columns(): number | undefined;
  /** Calls back before and after each server of this process begins to listen; returns the undo. */
  watchListening: typeof watchListening;
  /** Binds the address of a listening socket that was lost, and does not listen yet. */
  bindLike: typeof bindLike;
  /** Where the preload leaves what it has taken for the first copy of endless. */
  readonly globals: object;
  /** The ends of channels between two processes: to a child, to the process that started this one, around one that was received. */
  readonly ipc: {
    of(child: ChildProcess): IpcEnd;
    from(taken: TakenIpc): IpcEnd;
    around(received: RawHandle): IpcEnd | undefined;
  };
  /** The process that started this one and kept a channel to it, as a process manager or a cluster does. */
  readonly parent: {
    connected(): boolean;
    send(message: string): void;
    onMessage(fn: (message: unknown) => void): () => void;
  };
}

/** `setTimeout` holds 31 bits; a longer wait would fire at once. */
const LONGEST_TIMER = 2 ** 31 - 1;
/**
 * Long enough for a timer that does nothing. Timers are whole and end before 2 ** 31 where that can be had: with the first
 * number of another kind V8 throws away all that it has compiled of Node's timers, which every request passes through.
 */
const ONE_HOUR = 3_600_000;

/**
 * While lines of ours are on their way, an error of stderr is ours to ignore: a log that nobody reads any more is no reason
 * to end, and Node.js would throw what nobody listens to.
 */
const ignore = () => {};
let unwritten = 0;

function written(): void {
  unwritten -= 1;
  if (unwritten === 0) process.stderr.off('error', ignore);
}

/** The world as it is. */
export const realWorld: World = {
  pid: process.pid,
  platform: process.platform,
  env: process.env,
  ppid: () => process.ppid,
  now: () => performance.now(),
  date: () => new Date(),
  random: Math.random,
  after(ms, fn) {
    const timer = setTimeout(fn, Math.ceil(Math.min(ms, LONGEST_TIMER))).unref();
    return () => clearTimeout(timer);
  },
  every(ms, fn) {
    const timer = setInterval(fn, Math.ceil(ms)).unref();
    return () => clearInterval(timer);
  },
  turn: (fn) => void setImmediate(fn),
  stayAlive() {
    const timer = setInterval(() => {}, ONE_HOUR);
    return () => clearInterval(timer);
  },
  spawn,
  exit: (status) => process.exit(status),
  setExitCode(status) {
    process.exitCode = status;
  },
  exitCode: () => Number(process.exitCode ?? 0),
  signals: process,
  onSignal(signal, fn) {
    process.prependListener(signal, fn);
    return () => process.off(signal, fn);
  },
  raise: (signal) => void process.kill(process.pid, signal),
  onRaise(fn) {
    const { kill } = process;
    const watched: typeof kill = (pid, signal) => {
      if (pid === process.pid) fn(signal);
      return kill.call(process, pid, signal);
    };
    process.kill = watched;
    return () => {
      if (process.kill === watched) process.kill = kill;
    };
  },
  resources: () => process.getActiveResourcesInfo(),
  onExit(fn) {
    process.on('exit', fn);
    return () => process.off('exit', fn);
  },
  writeError(text) {
    const { stderr } = process;
    if (unwritten === 0) stderr.on('error', ignore);
    unwritten += 1;
    stderr.write(text, () => setImmediate(written));
  },
  debug: new Debug(debuglog('endless')),
  hasTerminal,
  columns: () => (process.stderr.isTTY && inForeground() ? process.stderr.columns || 80 : undefined),
  watchListening,
  bindLike,
  globals: globalThis,
  ipc: { of: ipcEndOf, from: ipcEndFrom, around: ipcEndAround },
  parent: {
    connected: () => process.connected === true,
    // A parent that is gone has told us so already.
    send: (message) => void process.send?.(message, undefined, undefined, () => {}),
    onMessage(fn) {
      process.on('message', fn);
      return () => process.off('message', fn);
    },
  },
};
