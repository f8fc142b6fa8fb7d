import type { ResolvedSettings } from '../settings.js';

/** How long after its channel a successor may end and still count as ended. */
export const CHANNEL_TIME = 500;

/** How long a candidate that answers has to close the addresses nobody claimed, once its start time is up. */
export const SETTLE_TIME = 1_000;

/** Shortest time for the verdict of a `healthCheck` that is quick: two more tries. */
const QUICK_VERDICT = 1_000;

/** Milliseconds in which a handover can be taken back. */
export function rollbackTime({ rollbackWindow, hammerTime }: ResolvedSettings): number {
  return hammerTime < 0 ? rollbackWindow : Math.min(rollbackWindow, hammerTime / 2);
}

/** How long the verdict of a failing `healthCheck` is waited for once the window is over. */
export function verdictTime(window: number, hammerTime: number): number {
  const time = Math.max(window, QUICK_VERDICT);
  // The drain has to begin before the time for it is over.
  return hammerTime < 0 ? time : Math.min(time, hammerTime / 4);
}
