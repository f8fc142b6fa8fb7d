import type { Socket } from 'node:net';
import { idleConnections } from '../connections/activity.js';
import type { TrackedServer } from '../connections/tracked-server.js';
import { currentResponse } from '../node-private/http.js';
import type { World } from '../world.js';

/** How often to look for idle connections: often enough to notice them, seldom enough to cost nothing. */
const SWEEPS_PER_GRACE = 50;
const SHORTEST_SWEEP = 10;
const LONGEST_SWEEP = 250;
/** How often to close those that are due, and how many before what has arrived meanwhile is read. */
const CUT = 10;
const CUT_AT_ONCE = 16;
/** A turn of this many milliseconds is long: requests may have arrived that are not read yet. */
const LONG_TURN = 10;
/** After so many long turns in a row, connections are closed at the end of each. */
const MOST_LONG_TURNS = 3;

/** When an idle connection is closed, and what it had read when it was last seen idle. */
interface Due {
  moment: number;
  bytesRead: number;
}

/**
 * Closes the idle connections of a draining server; returns the undo. Each closes at a random moment in the
 * second half of its grace, so that a thousand clients do not reconnect at once.
 *
 * In the first half it closes none: a pooled client that is about to send gets its answer, with a close
 * notice. It destroys the connections and does not half-close them: after a FIN a request would still run,
 * and its answer could not be sent.
 */
export function endIdle(tracked: TrackedServer, idleGrace: number, world: World): () => void {
  const due = new Map<Socket, Due>();
  let isOver = false;
  let isSoon = false;
  let longTurns = 0;
  const cut = () => {
    if (isOver) return;
    const now = world.now();
    let left = CUT_AT_ONCE;
    let stillIdle: Set<Socket> | undefined;
    for (const [socket, { moment, bytesRead }] of due) {
      if (moment > now) continue;
      if (left-- === 0) return cutSoon();
      due.delete(socket);
      if (currentResponse(socket)) continue;
      if (socket.bytesRead !== bytesRead) {
        // Empty lines begin no request (RFC 9112, 2.2): they do not delay the close, an unfinished head does.
        stillIdle ??= idleConnections(tracked);
        if (!stillIdle.has(socket) || socket.writableEnded) continue;
      }
      socket.destroy();
    }
  };
  // This runs right after the requests that have arrived were read. A timer fires right before that, and
  // would close a connection whose request waits in the kernel. Finding the idle ones takes long enough for
  // more requests to arrive.
  const cutSoon = () => {
    if (isSoon) return;
    isSoon = true;
    const asked = world.now();
    world.turn(() => {
      isSoon = false;
      longTurns = world.now() - asked < LONG_TURN ? 0 : longTurns + 1;
      // In the next turn, what has arrived in this one is read first.
      if (longTurns > 0 && longTurns <= MOST_LONG_TURNS) cutSoon();
      else cut();
    });
  };
  const sweep = () => {
    const now = world.now();
    const idle = idleConnections(tracked);
    for (const socket of due.keys()) if (!idle.has(socket)) due.delete(socket);
    for (const socket of idle) {
      const moment = due.get(socket)?.moment ?? now + idleGrace * (0.5 + world.random() / 2);
      due.set(socket, { moment, bytesRead: socket.bytesRead });
    }
    cutSoon();
  };
  sweep();
  const interval = Math.min(LONGEST_SWEEP, Math.max(SHORTEST_SWEEP, idleGrace / SWEEPS_PER_GRACE));
  const cancel = [world.every(interval, sweep), world.every(CUT, cutSoon)];
  return () => {
    isOver = true;
    for (const fn of cancel) fn();
  };
}
