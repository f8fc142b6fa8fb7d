import { decideAfter } from '../decide.js';
import type { Inheritance } from '../handoff/inheritance.js';
import { SETTLE_TIME } from '../handoff/times.js';
import type { Log } from '../log.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';

/** What a candidate without a predecessor needs to take over. */
export interface OrphanContext {
  world: World;
  log: Log;
  settings: SettingsStore;
  inheritance: Inheritance;
  /** When the candidate started. */
  began: number;
  /** Resolves when the candidate is ready; undefined if it was ready before. */
  ready: Promise<void> | undefined;
  /** The start time is up: the addresses that are claimed by now suffice. */
  settle(): void;
}

/**
 * The predecessor is gone before it has sent `go`: this process takes over alone once it is ready. Resolves
 * with undefined when it can, and with the reason if it has to exit.
 */
export async function takeOverAlone(context: OrphanContext): Promise<string | undefined> {
  const { log, inheritance, ready } = context;
  inheritance.orphaned();
  // A host name may still be looked up.
  if (inheritance.claimed().length === 0 && !inheritance.pending)
    return 'The old process ended before this one had claimed an address: leaving.';
  if (ready) {
    log.warn('The old process ended before it handed over: this one takes over once it is ready.');
    const late = await Promise.race([ready.then(() => false), isLate(context)]);
    if (late) return 'The old process ended, and this one was not ready within `startTimeout`: leaving.';
  }
  const reason = await inheritance.bindMissing();
  if (reason !== undefined)
    return `The old process ended before its sockets had come: ${reason}. This process exits.`;
  log.warn('The old process ended before it handed over: this one takes its place.');
  return undefined;
}

/** Resolves if the candidate does not become ready in time, even with its claimed addresses alone. */
function isLate({ world, settings, began, settle }: OrphanContext): Promise<true> {
  const left = Math.max(0, settings.current.startTimeout - (world.now() - began));
  return new Promise((resolve) => {
    decideAfter(world, left, () => {
      settle();
      decideAfter(world, SETTLE_TIME, () => resolve(true));
    });
  });
}
