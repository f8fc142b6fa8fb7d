import type { Hammered } from '../drain/hammer.js';
import type { EndlessError } from '../errors.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';

/** What happens in the life of a process, by the name under which `endless.on` tells of it. */
export interface EndlessEvents {
  /** A successor was started. */
  spawned: { pid: number; generation: number };
  /** This process, or the successor that it started, can serve. */
  ready: { pid: number; generation: number };
  /** The successor accepts, and this process no longer does. */
  handover: { pid: number; generation: number; durationMs: number };
  /** The restart can no longer be taken back. */
  committed: { pid: number; generation: number };
  /**
   * The successor has failed within the rollback window and this process serves again; `connections` had moved to it by
   * then.
   */
  rollback: { pid: number; generation: number; reason: string; error: EndlessError; connections: number };
  /** A live connection has come from the old process, or has arrived at the new one. */
  migrated: { address: string };
  /** The connections of this process are being brought to their end. */
  draining: { reason: 'restart' | 'shutdown'; deadlineMs: number };
  /** What was still running was ended by force. */
  hammered: Hammered;
  /** No connection, request or hold is left. */
  drained: { durationMs: number };
  /** A restart failed and this process serves on. */
  failed: { error: EndlessError };
}

/** The events that `endless.on` knows. */
export const EVENT_NAMES: readonly (keyof EndlessEvents)[] = [
  'spawned',
  'ready',
  'handover',
  'committed',
  'rollback',
  'draining',
  'migrated',
  'hammered',
  'drained',
  'failed',
];

/** A typed emitter whose listeners can stop nothing: one that throws is reported. */
export class Events {
  readonly #listeners = new Map<keyof EndlessEvents, Set<(event: never) => void>>();

  /** Adds a listener and returns its undo. */
  on<Name extends keyof EndlessEvents>(name: Name, fn: (event: EndlessEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(fn);
    return () => void listeners.delete(fn);
  }

  /** Tells every listener. */
  emit<Name extends keyof EndlessEvents>(name: Name, event: EndlessEvents[Name], logger: Logger): void {
    for (const fn of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (fn as (event: EndlessEvents[Name]) => void)(event);
      } catch (error) {
        logger.error(`A listener of '${name}' threw: ${messageOf(error)}`);
      }
    }
  }
}
