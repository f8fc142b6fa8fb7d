import type { TrackedServer } from '../connections/tracked-server.js';
import type { World } from '../world.js';
import { announceClose } from './announce-close.js';
import { endSessions } from './http2.js';
import { endIdle } from './idle.js';

/**
 * Stops a server from accepting and leaves its connections alone.
 *
 * `http.Server.close` would destroy idle connections, into which a request may be on its way, and switch off the check
 * of request timeouts. To close the listening socket alone does neither.
 */
export function stopAccepting(tracked: TrackedServer): void {
  tracked.appClose.stopAccepting();
}

/**
 * Keeps whoever closes a server from cutting its idle connections, into which a request may be on its way; returns the undo.
 *
 * An application may close it at any moment of a drain, and Fastify does with its second server of `localhost` as soon as
 * the first has no connection left.
 */
export function protectIdle(tracked: TrackedServer): () => void {
  tracked.idleProtected = true;
  return () => {
    tracked.idleProtected = false;
  };
}

/**
 * Brings the connections of a server to their end, each in its own way; returns the undo. An idle one may still be used for
 * `idleGrace` milliseconds.
 */
export function drainConnections(tracked: TrackedServer, idleGrace: number, world: World): () => void {
  const undo: (() => void)[] = [];
  if (tracked.http) undo.push(announceClose(tracked, world), endIdle(tracked, idleGrace, world));
  if (tracked.http2) undo.push(endSessions(tracked, idleGrace, world));
  return () => {
    for (const fn of undo.reverse()) fn();
  };
}
