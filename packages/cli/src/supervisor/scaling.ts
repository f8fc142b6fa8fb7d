import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { EXIT } from '../exit-codes.js';
import type { Slot } from '../workers/slot.js';

/** The wanted number of workers, given the present one. */
export type Count = (present: number) => number;

/** How a change of the number of workers ended. */
export interface ScaleReport {
  exitCode: number;
  line: string;
}

/** What a change of the number of workers needs of the supervisor. */
export interface ScalingContext {
  /** How many workers there should be. */
  readonly target: number;
  readonly ready: number;
  readonly slots: readonly Slot[];
  readonly stopping: boolean;
  /** Whether every worker that has to go is gone. */
  readonly allGone: boolean;
  /** Starts the workers that are missing, or drains those that are too many. */
  setTarget(count: number): void;
}

/** How often a change looks whether it is done. */
const LOOK_AGAIN = 50;
/** How often a worker may crash before it is ready: as often as a restart tries. */
const TRIES = 3;

/**
 * Sets the number of workers; resolves when all are ready, and those that are too many have exited. If no new
 * one becomes ready, the old number is back.
 */
export async function scaleTo(count: number, limit: number, context: ScalingContext): Promise<ScaleReport> {
  const before = context.target;
  const [more, fewer] = [count > before, count < before];
  const crashes = new Map(context.slots.map((slot) => [slot, slot.replacedBy.crash]));
  context.setTarget(count);
  const until = performance.now() + limit;
  for (;;) {
    const { target, ready, slots, stopping, allGone } = context;
    const now = `${ready} of ${count} workers are ready`;
    if (stopping) return { exitCode: EXIT.failed, line: 'the supervisor stops' };
    if (fewer ? target > count : target < count)
      return { exitCode: EXIT.busy, line: `another command has set the number of workers to ${target}` };
    const allReady = fewer || ready >= count;
    if (allReady && (more || allGone)) return { exitCode: EXIT.done, line: now };
    const awaited = more ? slots.slice(before) : slots;
    const failed = awaited.filter(
      (slot) => !slot.ready && slot.replacedBy.crash - (crashes.get(slot) ?? 0) >= TRIES,
    );
    const settled = failed.length > 0 && awaited.every((slot) => slot.ready || failed.includes(slot));
    if (!allReady && (settled || performance.now() > until)) {
      if (!more || target > count || awaited.some((slot) => slot.ready))
        return { exitCode: EXIT.partly, line: `${now}: the others start again` };
      context.setTarget(before);
      return { exitCode: EXIT.failed, line: `no new worker became ready: ${before} are wanted again` };
    }
    await sleep(LOOK_AGAIN);
    // A worker may have become ready while this process was stopped: its message is read first.
    await turn();
  }
}
