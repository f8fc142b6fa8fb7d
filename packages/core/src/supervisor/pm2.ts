import type { Events } from '../events.js';
import type { World } from '../world.js';

/** Whether PM2 started this process: PM2 watches only that, and would start another beside a successor. */
export function underPm2({ env, parent }: World): boolean {
  return env.pm_id !== undefined && env.PM2_HOME !== undefined && parent.connected();
}

/** Sends `'ready'` if PM2 waits for it (`wait_ready`), and treats PM2's `'shutdown'` as a stop signal. */
export function answerPm2({ env, pid, parent }: World, events: Events, onShutdown: () => void): void {
  events.on('ready', (event) => {
    if (event.pid === pid && env.wait_ready === 'true') parent.send('ready');
  });
  const stop = parent.onMessage((message) => {
    if (message === 'shutdown') onShutdown();
  });
  // A listener keeps the channel open, and so the process alive.
  events.on('drained', stop);
}
