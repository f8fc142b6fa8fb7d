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
  /** The pid of the old process. */
  old: number;
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
  const { log, inheritance, old, ready } = context;
  inheritance.orphaned();
  // A host name may still be looked up.
  if (inheritance.claimed().length === 0 && !inheritance.pending) return 'this one had claimed no address';
  if (ready) {
    log.warn(
      `The old process, pid ${old}, exited before the handover: this process takes over once it is ready.`,
    );
    const late = await Promise.race([ready.then(() => false), isLate(context)]);
    if (late) return 'this one was not ready within `startTimeout`';
  }
  const reason = await inheritance.bindMissing();
  if (reason !== undefined) return `its sockets had not arrived: ${reason}`;
  log.warn(`The old process, pid ${old}, exited before the handover: this process takes over now.`);
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
