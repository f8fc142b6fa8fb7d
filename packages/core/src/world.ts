import type { ChildProcess, SpawnOptions } from 'node:child_process';
import type { Server } from 'node:net';
import type { Debug } from './debug.js';
import type { Bound } from './listen/address.js';
import type { RawHandle } from './node-private/handle.js';
import type { IpcEnd, TakenIpc } from './node-private/ipc.js';

/** Called for every `server.listen` in this process. */
export interface ListenWatcher {
  /** Called before anything else: a server that gets its handle now uses it instead of binding. */
  beforeListen(server: Server, options: Record<string, unknown>): void;
  /** Called when the server listens and has accepted nothing yet. */
  listening(server: Server): void;
  /** Called when the server could not listen, before it emits this error. */
  failed(server: Server, error: Error): void;
}

/** Everything outside this process that endless uses, so that its parts can be tested without it. */
export interface World {
  readonly pid: number;
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  ppid(): number;
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /** The date and time. */
  date(): Date;
  /** A random number of at least 0 and less than 1. */
  random(): number;
  /** Runs `fn` once after `ms`, without keeping the process alive; returns the undo. */
  after(ms: number, fn: () => void): () => void;
  /** Runs `fn` every `ms`, without keeping the process alive; returns the undo. */
  every(ms: number, fn: () => void): () => void;
  /** Runs `fn` once the events of this turn have been read; keeps the process alive until then. */
  turn(fn: () => void): void;
  /** Keeps the process alive until the returned undo is called. */
  stayAlive(): () => void;
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess;
  exit(status: number): void;
  setExitCode(status: number): void;
  /** The status with which the process exits by itself. */
  exitCode(): number;
  /** The emitter of the signals of this process. */
  readonly signals: NodeJS.EventEmitter;
  /** Calls `fn` at each signal, before the application's listeners; returns the undo. */
  onSignal(signal: NodeJS.Signals, fn: () => void): () => void;
  /** Sends this process a signal. */
  raise(signal: NodeJS.Signals): void;
  /** Calls `fn` when the program sends itself a signal, before the signal arrives; returns the undo. */
  onRaise(fn: (signal: unknown) => void): () => void;
  /** The kinds of resources that keep this process alive. */
  resources(): readonly string[];
  /** Bytes of memory that this process has in RAM. */
  rss(): number;
  /** For how long the event loop of this process has been idle and active, in milliseconds. */
  loopTime(): { idle: number; active: number };
  /** Where the inspector of this process listens, if it is open: a debugger may hold this process. */
  inspector(): string | undefined;
  onExit(fn: () => void): () => void;
  writeError(text: string): void;
  /** Whether this process has a controlling terminal that can still be opened. */
  hasTerminal(): boolean;
  /** Writes the lines of `NODE_DEBUG=endless`. */
  readonly debug: Debug;
  /**
   * The width of the terminal that shows the output of `writeError`. Undefined without a terminal, or if this
   * process is not in its foreground.
   */
  columns(): number | undefined;
  /** Calls back before and after each server of this process begins to listen; returns the undo. */
  watchListening(watcher: ListenWatcher): () => void;
  /** Binds the address of a lost listening socket again, without listening yet. */
  bindLike(bound: Bound, ipv6Only: boolean): Promise<RawHandle>;
  /** The object in which the preload stores what it has taken, for the first copy of endless. */
  readonly globals: object;
  /**
   * Makes a channel's end: to a child, to the process that started this one, around a received handle, of what
   * the preload has opened, and around a received handle for handles to be sent.
   */
  readonly ipc: {
    of(child: ChildProcess): IpcEnd;
    from(taken: TakenIpc): IpcEnd;
    around(received: RawHandle): IpcEnd | undefined;
    opened(taken: TakenIpc): IpcEnd;
    reopened(received: RawHandle, open: (fd: number) => TakenIpc): IpcEnd | undefined;
  };
  /** The process that started this one with a channel to it, such as a process manager or a cluster. */
  readonly parent: {
    connected(): boolean;
    send(message: string): void;
    onMessage(fn: (message: unknown) => void): () => void;
  };
}
