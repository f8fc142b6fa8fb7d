import { type Channel, channel } from 'node:diagnostics_channel';
import { attempt } from './attempt.js';
import type { Hammered } from './drain/hammer.js';
import type { EndlessError } from './errors.js';
import { messageOf } from './errors.js';
import type { Log } from './log.js';

/** The events of a process, by the names that `endless.on` takes. */
export interface EndlessEvents {
  /** A successor was started. */
  spawned: { pid: number; generation: number };
  /** This process, or the successor that it started, can serve. */
  ready: { pid: number; generation: number };
  /** The successor accepts; this process is about to stop accepting. */
  handover: { pid: number; generation: number; durationMs: number };
  /** The restart can no longer be rolled back. */
  committed: { pid: number; generation: number };
  /**
   * The successor failed within the rollback window and this process serves again. `connections` is how many
   * had moved to the successor by then.
   */
  rollback: { pid: number; generation: number; reason: string; error: EndlessError; connections: number };
  /** A live connection has moved from the old process to the new one; both emit this. */
  migrated: { address: string };
  /** This process begins to drain. */
  draining: { reason: 'restart' | 'shutdown'; deadlineMs: number };
  /** Open requests and connections were force-closed. */
  hammered: Hammered;
  /** No connection, request or hold is left. */
  drained: { durationMs: number };
  /** A restart failed and this process serves on. */
  failed: { error: EndlessError };
}

/** The diagnostics channel of each event: observers outside the program's own code get the same object. */
const CHANNELS: Record<keyof EndlessEvents, Channel> = {
  spawned: channel('endless:restart'),
  ready: channel('endless:ready'),
  handover: channel('endless:handover'),
  committed: channel('endless:committed'),
  rollback: channel('endless:rollback'),
  draining: channel('endless:drain'),
  migrated: channel('endless:migrated'),
  hammered: channel('endless:hammered'),
  drained: channel('endless:drained'),
  failed: channel('endless:failed'),
};

/** The events that `endless.on` knows. */
export const EVENT_NAMES = Object.keys(CHANNELS) as readonly (keyof EndlessEvents)[];

/** The names of their diagnostics channels. */
export const CHANNEL_NAMES = Object.values(CHANNELS).map(({ name }) => String(name));

/** A typed emitter: it logs the error of a listener that throws or rejects, and goes on. */
export class Events {
  readonly #log: Log;
  readonly #listeners = new Map<keyof EndlessEvents, Set<(event: never) => void>>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Adds a listener and returns its undo. */
  on<Name extends keyof EndlessEvents>(name: Name, fn: (event: EndlessEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(fn);
    return () => void listeners.delete(fn);
  }

  /** Calls every listener, and publishes the event on its channel. */
  emit<Name extends keyof EndlessEvents>(name: Name, event: EndlessEvents[Name]): void {
    if (CHANNELS[name].hasSubscribers) CHANNELS[name].publish(event);
    for (const fn of [...(this.#listeners.get(name) ?? [])]) {
      const report = (error: unknown) =>
        this.#log.error(`A listener of '${name}' threw: ${messageOf(error)}`);
      attempt(() => (fn as (event: EndlessEvents[Name]) => unknown)(event), report);
    }
  }
}
