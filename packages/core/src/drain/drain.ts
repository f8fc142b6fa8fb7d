import type { TrackedServer } from '../connections/tracked-server.js';
import type { World } from '../world.js';
import { announceClose } from './announce-close.js';
import { endSessions } from './http2.js';
import { endIdle } from './idle.js';

/**
 * Stops a server from accepting and leaves its connections alone.
 *
 * `http.Server.close` would destroy idle connections, into which a request may be on its way, and switch off
 * the check of request timeouts. Closing only the listening socket does neither.
 */
export function stopAccepting(tracked: TrackedServer): void {
  tracked.appClose.stopAccepting();
}

/**
 * Keeps other code that closes a server from closing its idle connections, into which a request may be on its
 * way; returns the undo.
 *
 * An application may close its server at any moment of a drain. Fastify closes its second server of
 * `localhost` as soon as the first has no connection left.
 */
export function protectIdle(tracked: TrackedServer): () => void {
  tracked.idleProtected = true;
  return () => {
    tracked.idleProtected = false;
  };
}

/**
 * Drains the connections of a server, each in its own way; returns the undo. A client may still use an idle
 * one for `idleGrace` milliseconds.
 */
export function drainConnections(tracked: TrackedServer, idleGrace: number, world: World): () => void {
  const undo: (() => void)[] = [];
  if (tracked.http) undo.push(announceClose(tracked, world), endIdle(tracked, idleGrace, world));
  if (tracked.http2) undo.push(endSessions(tracked, idleGrace, world));
  return () => {
    for (const fn of undo.reverse()) fn();
  };
}
