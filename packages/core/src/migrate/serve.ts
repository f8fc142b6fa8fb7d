import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import type { TrackedServer } from '../connections/tracked-server.js';
import { acceptConnection } from '../node-private/connection.js';
import type { RawHandle } from '../node-private/handle.js';
import { restBetweenRequests, speaksHttp } from '../node-private/http.js';

/** What Node.js adds to `keepAliveTimeout` in versions without `keepAliveTimeoutBuffer`. */
const KEEP_ALIVE_BUFFER = 1_000;

/** Connections that carried a request before their current socket was made. */
const used = new WeakSet<Socket>();

/** Whether a connection has carried a request, in this process or an older one. */
export function isUsed(socket: Socket): boolean {
  return socket.bytesRead > 0 || used.has(socket);
}

/** Serves a connection that another socket has held; if it was used, its keep-alive time starts again. */
export function serveOn(tracked: TrackedServer, handle: RawHandle, wasUsed: boolean): void {
  const server = tracked.server as KeepAliveServer;
  const socket = acceptConnection(server, handle);
  if (!socket || !wasUsed || !speaksHttp(socket)) return;
  used.add(socket);
  const { keepAliveTimeout, keepAliveTimeoutBuffer = KEEP_ALIVE_BUFFER } = server;
  const limited = keepAliveTimeout > 0;
  if (limited) socket.setTimeout(keepAliveTimeout + keepAliveTimeoutBuffer);
  restBetweenRequests(socket, () => limited && socket.setTimeout(server.timeout));
}

/** Newer versions of Node.js have this property. */
type KeepAliveServer = HttpServer & { keepAliveTimeoutBuffer?: number };
