import { connectionsIn, type Hammered, summaryOf } from '../drain/hammer.js';
import type { ShutdownContext } from './context.js';

/** Logs what was force-closed, and emits `hammered`, unless this process has only waited for an older one. */
export function reportForced({ events, waits, log }: ShutdownContext, forced: Hammered): void {
  const holds = waits.left('holds');
  const nothing = forced.requests.length + connectionsIn(forced) + holds === 0;
  if (nothing && waits.comesMore) return;
  log.warn(`[STOP - Hammer Time] Forcefully shutting down parent`);
  const held = holds > 0 ? `; holds: ${holds}` : '';
  log.warn(`Force-closed: ${summaryOf(forced)}${held}`);
  events.emit('hammered', forced);
}
