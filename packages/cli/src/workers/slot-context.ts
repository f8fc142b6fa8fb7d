import type { Log } from '../print/log.js';
import type { ProcessEnd } from '../process-end.js';
import type { Release } from '../program/program.js';
import type { HeldSockets } from '../supervisor/held-sockets.js';
import type { Searches } from './searches.js';
import type { Slot } from './slot.js';
import type { Worker } from './worker.js';

/** What a slot needs of its supervisor. */
export interface SlotContext {
  log: Log;
  sockets: HeldSockets;
  searches: Searches;
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
