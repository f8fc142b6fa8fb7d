import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { checkTimeoutsEvery, limitHead } from '../node-private/http.js';
import type { World } from '../world.js';

/** The limits of one server; if one is absent, Node's own applies. */
export interface Limits {
  readTimeout?: number | undefined;
  writeTimeout?: number | undefined;
  maxHeaderBytes?: number | undefined;
}

/** How often Node checks for late requests (its default is 30 s): a limit is enforced within this time. */
const CHECK_EVERY = 100;

/** Sets the limits of a server that does not listen yet; they do not apply to a server without HTTP/1. */
export function limit(
  server: Server,
  { readTimeout, writeTimeout, maxHeaderBytes }: Limits,
  world: World,
): void {
  if (!('requestTimeout' in server)) return;
  const http = server as HttpServer;
  if (maxHeaderBytes !== undefined) limitHead(http, maxHeaderBytes);
  if (readTimeout !== undefined) {
    http.requestTimeout = readTimeout;
    http.headersTimeout = Math.min(http.headersTimeout || readTimeout, readTimeout);
    checkTimeoutsEvery(http, CHECK_EVERY);
  }
  if (writeTimeout !== undefined && !limited.has(http)) limitWriting(http, writeTimeout, world);
}

/** Servers with a `writeTimeout`: a server may listen again, and must not be limited twice. */
const limited = new WeakSet<HttpServer>();

/**
 * As in Go, the time counts from the end of the request head. A late response is destroyed, since half a
 * response cannot be undone.
 */
function limitWriting(server: HttpServer, writeTimeout: number, world: World): void {
  limited.add(server);
  server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    const cancel = world.after(writeTimeout, () => response.destroy());
    response.once('close', cancel);
  });
}
