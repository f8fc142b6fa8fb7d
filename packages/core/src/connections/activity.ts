import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { betweenRequests, currentResponse, speaksHttp } from '../node-private/http.js';
import type { TrackedServer } from './tracked-server.js';

/** What a connection is doing. */
export type Activity =
  /** A request is in flight. */
  | 'active'
  /** Between two requests, or before the first. */
  | 'idle'
  /** A request head has begun to arrive and is not complete. */
  | 'receiving'
  /** Not HTTP/1 any more: a WebSocket, a CONNECT tunnel. */
  | 'upgraded'
  /** The TLS handshake is not complete. */
  | 'handshake'
  /** HTTP/2, or a plain TCP server. */
  | 'other';

/** The responses that are in flight on a connection, in the order in which they will be sent. */
export function inFlight(tracked: TrackedServer, socket: Socket): ServerResponse[] {
  const current = currentResponse(socket);
  return current ? [current, ...tracked.pipeline.behind(socket)] : [];
}

/**
 * The idle connections of a server as Node.js defines idle, and TLS ones whose handshake has not begun.
 *
 * A connection with a half-received head is never among them. One that has never sent a byte always is;
 * Node.js lists it only from version 26 on.
 */
export function idleConnections(tracked: TrackedServer): Set<Socket> {
  const idle = new Set<Socket>();
  if (!tracked.http) return idle;
  const { carriers } = tracked;
  // Node.js calls a connection idle too if its ended response waits in the send buffer of a slow reader.
  for (const socket of betweenRequests(tracked.server))
    if (carriers.has(socket) && !currentResponse(socket)) idle.add(socket);
  for (const socket of carriers) if (speaksHttp(socket) && socket.bytesRead === 0) idle.add(socket);
  if (tracked.secure) for (const socket of tracked.sockets) if (socket.bytesRead === 0) idle.add(socket);
  return idle;
}

/** What every connection of a server is doing now. */
export function activities(tracked: TrackedServer): Map<Socket, Activity> {
  const result = new Map<Socket, Activity>();
  const idle = idleConnections(tracked);
  for (const socket of tracked.carriers) {
    if (!tracked.http) result.set(socket, 'other');
    else if (currentResponse(socket)) result.set(socket, 'active');
    else if (idle.has(socket)) result.set(socket, 'idle');
    else if (speaksHttp(socket)) result.set(socket, 'receiving');
    else result.set(socket, tracked.http2 ? 'other' : 'upgraded');
  }
  return result;
}
