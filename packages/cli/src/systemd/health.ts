import type { Supervisor } from '../supervisor/supervisor.js';
import type { Slot } from '../workers/slot.js';

/**
 * Whether the service manager may take the service for alive. The event loop of the supervisor turns, or
 * this is not asked; and a worker is ready, or one is about to be. systemd has other limits for a start and a stop.
 */
export function isHealthy(supervisor: Supervisor, startTimeout: number): boolean {
  const { stopping, everReady, ready, slots } = supervisor;
  if (stopping || !everReady || ready > 0) return true;
  return slots.some((slot) => comesBack(slot, startTimeout));
}

/** Whether a worker is started again at a planned time, or starts now and is not late. */
function comesBack({ respawn, current, living }: Slot, startTimeout: number): boolean {
  // One that stops by itself is replaced soon.
  if (respawn.at !== undefined || current?.state === 'draining') return true;
  const now = performance.now();
  return [...living].some(({ state, startedAt }) => state === 'starting' && now - startedAt < startTimeout);
}
