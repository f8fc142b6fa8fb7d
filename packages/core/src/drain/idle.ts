import type { Socket } from 'node:net';
import type { World } from '../world.js';
import { idleConnections } from './activity.js';
import type { TrackedServer } from './tracked-server.js';

/** How often the idle connections are looked at: often enough to spread their ends, seldom enough to cost nothing. */
const SWEEPS_PER_GRACE = 50;
const SHORTEST_SWEEP = 10;
const LONGEST_SWEEP = 250;

/**
 * Ends the idle connections of a draining server, each at a random moment in the second half of its grace, so that a
 * thousand clients do not come back at once; returns the undo.
 *
 * In the first half nobody is cut: a pooled client that is about to send gets its answer, with `Connection: close`. They
 * are destroyed and not half-closed: after a FIN a request would still be run, and its answer could not be sent.
 */
export function endIdle(tracked: TrackedServer, idleGrace: number, world: World): () => void {
  const due = new Map<Socket, number>();
  const sweep = () => {
    const now = world.now();
    const idle = idleConnections(tracked);
    for (const socket of due.keys()) if (!idle.has(socket)) due.delete(socket);
    for (const socket of idle) {
      const moment = due.get(socket) ?? now + idleGrace * (0.5 + Math.random() / 2);
      if (moment <= now) socket.destroy();
      else due.set(socket, moment);
    }
  };
  sweep();
  const interval = Math.min(LONGEST_SWEEP, Math.max(SHORTEST_SWEEP, idleGrace / SWEEPS_PER_GRACE));
  return world.every(interval, sweep);
}
