import type { ResolvedSettings } from '../settings.js';

/** How long after its channel closes a successor may exit and still count as exited. */
export const CHANNEL_TIME = 500;

/** How long a candidate has to become ready with its claimed addresses alone, once its start time is up. */
export const SETTLE_TIME = 1_000;

/** Shortest time for the verdict of a failing `healthCheck`: two more tries of a quick one. */
const QUICK_VERDICT = 1_000;

/** Milliseconds in which the old process can roll back. */
export function rollbackTime({ rollbackWindow, hammerTime }: ResolvedSettings): number {
  return hammerTime < 0 ? rollbackWindow : Math.min(rollbackWindow, hammerTime / 2);
}

/** How long the old process waits for the verdict of a failing `healthCheck` once the window is over. */
export function verdictTime(window: number, hammerTime: number): number {
  const time = Math.max(window, QUICK_VERDICT);
  // The drain has to begin before the time for it is over.
  return hammerTime < 0 ? time : Math.min(time, hammerTime / 4);
}
