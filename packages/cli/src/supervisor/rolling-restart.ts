import { setTimeout as sleep } from 'node:timers/promises';
import type { Release } from '../program/program.js';
import type { Slot } from '../workers/slot.js';
import type { Worker } from '../workers/worker.js';

/** How a restart of all workers ended. */
export interface RestartReport {
  result: 'done' | 'failed' | 'partly';
  error: string | undefined;
  durationMs: number;
  /** How many live connections went to the new processes. */
  moved: number;
}

/** What a restart of all workers needs. */
export interface RollingRestartContext {
  slots: readonly Slot[];
  release: Release;
  /** Whether the supervisor has begun to stop. */
  stopping(): boolean;
  /** Respawns run the new release from now on. */
  pin(release: Release): void;
  /** The restart comes to this worker, counted from 1. */
  comesTo(step: number): void;
  /** A step was taken, or has failed. */
  progress(line: string): void;
}

/** Milliseconds before each further try to replace a worker, once the canary has passed. */
const TRIES = [1_000, 4_000];
/** Milliseconds between two looks whether an old process has exited. */
const LOOK_AGAIN = 20;
/** Milliseconds of a drain after which the restart says that it waits. */
const LONG_DRAIN = 1_000;

/**
 * Replaces the workers one by one, so that at most one process more than usual lives. The first is the
 * canary: if its successor fails, nothing has changed. A later worker that cannot be replaced serves on.
 */
export async function rollingRestart(context: RollingRestartContext): Promise<RestartReport> {
  const { slots, release, progress } = context;
  const began = performance.now();
  let replaced = 0;
  let moved = 0;
  const report = (result: RestartReport['result'], error?: string): RestartReport => {
    return { result, error, durationMs: Math.round(performance.now() - began), moved };
  };
  let previous: Slot | undefined;
  for (const slot of slots) {
    if (previous) await oldExits(previous, context);
    // A change of the number of workers may have sent it away meanwhile.
    if (slot.retired) continue;
    previous = slot;
    const canary = replaced === 0;
    context.comesTo(replaced + 1);
    try {
      const pid = await replace(slot, canary ? [] : TRIES, context);
      if (canary) context.pin(slot.current?.release ?? release);
      replaced += 1;
      moved += slot.current?.moved ?? 0;
      progress(`worker ${slot.index} is now pid ${pid} (${replaced} of ${slots.length})`);
    } catch (error) {
      // It goes away, so that no process of it runs the old release.
      if (slot.retired) continue;
      const why = `worker ${slot.index}: ${(error as Error).message}`;
      if (canary) return report('failed', why);
      return report('partly', `${why}. ${replaced} of ${slots.length} workers are new.`);
    }
  }
  return report('done');
}

/** Waits until the old process of a worker has exited: a restart needs the memory of one process more, not of several. */
async function oldExits(slot: Slot, { stopping, progress }: RollingRestartContext): Promise<void> {
  const began = performance.now();
  let waits = false;
  // A process that waits for this restart cannot exit before it is over.
  const counts = (worker: Worker) => worker === slot.current || worker.calls === 0;
  while ([...slot.living].filter(counts).length > 1 && !stopping()) {
    if (!waits && performance.now() - began > LONG_DRAIN) {
      waits = true;
      progress(`worker ${slot.index}: its old process still drains, and the next worker waits`);
    }
    await sleep(LOOK_AGAIN);
  }
}

async function replace(slot: Slot, waits: number[], context: RollingRestartContext): Promise<number> {
  try {
    if (context.stopping()) throw new Error('the supervisor stops');
    return await slot.restart(context.release);
  } catch (error) {
    const [wait, ...rest] = waits;
    if (wait === undefined || slot.retired || context.stopping()) throw error;
    context.progress(`worker ${slot.index}: ${(error as Error).message}. Trying again in ${wait / 1_000} s.`);
    await sleep(wait);
    return replace(slot, rest, context);
  }
}
