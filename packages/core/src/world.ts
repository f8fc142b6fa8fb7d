import type { ChildProcess, SpawnOptions } from 'node:child_process';
import type { Server } from 'node:net';
import type { Debug } from './debug.js';
import type { Bound } from './listen/address.js';
import type { RawHandle } from './node-private/handle.js';
import type { IpcEnd, TakenIpc } from './node-private/ipc.js';

/** What Node says of every `server.listen` in this process. */
export interface ListenWatcher {
  /** Before anything else happens: a server whose handle is set now uses it instead of binding. */
  beforeListen(server: Server, options: Record<string, unknown>): void;
  /** The server listens; nothing has been accepted yet. */
  listening(server: Server): void;
}

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
  watchListening(watcher: ListenWatcher): () => void;
  /** Binds the address of a listening socket that was lost, and does not listen yet. */
  bindLike(bound: Bound, ipv6Only: boolean): Promise<RawHandle>;
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
