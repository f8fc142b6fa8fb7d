import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { checkTimeoutsEvery, limitHead } from '../node-private/http.js';
import type { World } from '../world.js';

/** The limits of one server; what is absent stays as Node has it. */
export interface Limits {
  readTimeout?: number | undefined;
  writeTimeout?: number | undefined;
  maxHeaderBytes?: number | undefined;
}

/** Node looks for late requests every 30 s unless told otherwise; a limit is met within this. */
const CHECK_EVERY = 100;

/** Sets the limits on a server that does not listen yet; a server that speaks no HTTP/1 has none of them. */
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

/** A server may listen again, and shall not be limited twice. */
const limited = new WeakSet<HttpServer>();

/** As in Go: the clock runs from the end of the request head, and what is late is cut, since half a response cannot be taken back. */
function limitWriting(server: HttpServer, writeTimeout: number, world: World): void {
  limited.add(server);
  server.prependListener('request', (_request: IncomingMessage, response: ServerResponse) => {
    const cancel = world.after(writeTimeout, () => response.destroy());
    response.once('close', cancel);
  });
}
