import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../print/log.js';
import { killLate } from '../workers/kill-late.js';
import type { Slot } from '../workers/slot.js';
import type { Worker } from '../workers/worker.js';

/** How long a process may take to begin its restart: one that hangs would serve the old files for ever. */
const BEGIN_TIME = 5_000;
/** How often a process that was ended is looked at. */
const LOOK_AGAIN = 20;

/** Gives up on a process that has not taken over yet, so that the restart under way fails soon. */
export function abandon(slot: Slot, log: Log): void {
  const { current } = slot;
  // Only the old process knows whether the new one may serve already.
  if (current?.state === 'ready') current.send({ type: 'cancel' });
  else void endStart(slot, log);
}

/** Ends a process that starts without a predecessor; resolves when it has exited. */
export async function endStart({ current }: Slot, log: Log): Promise<void> {
  if (current?.state !== 'starting') return;
  current.kill('SIGTERM');
  killLate(current, 0, log);
  while (!isGone(current)) await sleep(LOOK_AGAIN);
}

/** Kills a process that does not even begin its restart; returns the end of the look-out. */
export function endIfHanging(slot: Slot, log: Log): () => void {
  const before = slot.current;
  const timer = setTimeout(() => {
    if (before?.state !== 'ready' || slot.candidate || slot.current !== before) return;
    log.info(`watch: pid ${before.pid} does not answer: killed.`);
    before.kill('SIGKILL');
  }, BEGIN_TIME);
  return () => clearTimeout(timer);
}

const isGone = ({ state }: Worker) => state === 'gone';
