import type { Olders } from '../chain/olders.js';
import type { Surroundings } from '../handoff/handoff-text.js';
import type { Successor } from '../handoff/successor.js';
import type { Hooks } from '../hooks.js';
import type { KeptPaths } from '../listen/kept-paths.js';
import type { Departure } from '../migrate/departure.js';
import type { Target } from '../migrate/target.js';
import type { Shutdown } from '../shutdown/shutdown.js';
import type { HookableSignal } from '../signals/signals.js';
import type { AttemptContext } from './attempt.js';
import type { Standby } from './standby.js';

/** The result of a restart, at the moment at which the new process accepts. */
export interface RestartResult {
  /** Process id of the new process. */
  pid: number;
  /** Its generation. */
  generation: number;
  /** Milliseconds from the request to restart. */
  durationMs: number;
}

/** A request to restart. */
export interface RestartRequest {
  /** The signal whose hooks run. */
  signal: HookableSignal;
  /** The generation of this process. */
  generation: number;
  /** The parts of the first process's surroundings that the successor keeps. */
  surroundings: Surroundings;
  /** Resolves when the predecessor can no longer roll back. */
  predecessorCommitted: Promise<void>;
}

/** The process that takes over, the addresses that it serves, and how fast connections go to it. */
export interface Handover extends Target {
  successor: Successor;
  /** The paths of the unix sockets that it serves. */
  paths: KeptPaths;
}

/** What a restart uses, and what it changes, of the process that is replaced. */
export interface RestartContext extends AttemptContext {
  hooks: Hooks;
  olders: Olders;
  /** Prepares the departure of the connections to the successor. */
  createDeparture(signal: HookableSignal, to: Handover): Departure;
  /** The successor stays: this process begins to drain. */
  drain(signal: HookableSignal, standby: Standby, handed: ReadonlySet<string>): Shutdown;
  /** There is no successor: writes the pid file again, and closes what the application has closed. */
  keep(): void;
  /** A pre hook may wait for a server to close: closes what the application has closed. */
  closeNow(): void;
  /** Restarts again, if that is still possible. */
  restartAgain(signal: HookableSignal): void;
  /** Newer generations drain too: only `left` generations, this one included, may go on. */
  prune(left: number): void;
}
