import { type Channel, channel } from 'node:diagnostics_channel';
import { attempt } from './attempt.js';
import type { Hammered } from './drain/hammer.js';
import type { EndlessError } from './errors.js';
import { messageOf } from './errors.js';
import type { Log } from './log.js';

/** What happens in the life of a process, by the name under which `endless.on` tells of it. */
export interface EndlessEvents {
  /** A successor was started. */
  spawned: { pid: number; generation: number };
  /** This process, or the successor that it started, can serve. */
  ready: { pid: number; generation: number };
  /** The successor accepts; this process is about to stop accepting. */
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

/** Where else each event is published, with the same object: for those who watch a program without being part of it. */
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

/** A typed emitter whose listeners can stop nothing: one that throws or rejects is reported. */
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

  /** Tells every listener, and whoever has subscribed to the channel of this event. */
  emit<Name extends keyof EndlessEvents>(name: Name, event: EndlessEvents[Name]): void {
    if (CHANNELS[name].hasSubscribers) CHANNELS[name].publish(event);
    for (const fn of [...(this.#listeners.get(name) ?? [])]) {
      const report = (error: unknown) =>
        this.#log.error(`A listener of '${name}' threw: ${messageOf(error)}`);
      attempt(() => (fn as (event: EndlessEvents[Name]) => unknown)(event), report);
    }
  }
}
