import cluster from 'node:cluster';
import type { WaitGroup } from '../wait-group.js';

/**
 * Keeps the primary of a `node:cluster` alive until its present workers have exited: they would exit with it,
 * with their requests. Tells them to stop, unless the application does that in a listener of its own.
 */
export function waitForWorkers(waits: WaitGroup, told: boolean, preloaded: boolean): void {
  for (const worker of Object.values(cluster.workers ?? {})) {
    if (!worker || worker.isDead()) continue;
    worker.once('exit', waits.take('holds'));
    if (told) continue;
    // A preloaded program has preloaded workers, which drain. Others finish their open work when they are
    // disconnected.
    if (preloaded) worker.process.kill('SIGTERM');
    else worker.disconnect();
  }
}
