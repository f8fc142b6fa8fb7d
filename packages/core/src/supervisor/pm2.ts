import type { Events } from '../events.js';
import type { World } from '../world.js';

/** Whether PM2 has started this process: it watches that one alone, and would start another beside a successor. */
export function underPm2({ env, parent }: World): boolean {
  return env.pm_id !== undefined && env.PM2_HOME !== undefined && parent.connected();
}

/** Says `'ready'` where PM2 waits for it (`wait_ready`), and takes its message `'shutdown'` as a signal to stop. */
export function answerPm2({ env, pid, parent }: World, events: Events, onShutdown: () => void): void {
  events.on('ready', (event) => {
    if (event.pid === pid && env.wait_ready === 'true') parent.send('ready');
  });
  const stop = parent.onMessage((message) => {
    if (message === 'shutdown') onShutdown();
  });
  // A listener keeps the channel, and so the process.
  events.on('drained', stop);
}
