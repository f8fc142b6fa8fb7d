import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { EXIT } from '../exit-codes.js';
import type { Supervisor } from '../supervisor/supervisor.js';
import { type Action, actionOf, BadRequest, postAt } from './requests.js';
import { statusOf } from './status.js';

/** One line of an answer. The last line of each carries the exit code for the command that asked. */
export type ControlLine = { line: string } | { exitCode: number; error?: string };

/** The most bytes of a request that are read. */
const LONGEST_BODY = 4_096;
/** Clients at once. The descriptors that they use must never be those that the next worker needs. */
const MOST_CLIENTS = 64;
/** How long a client may take to send its request. */
const REQUEST_TIME = 10_000;
/** The status for a request that is wrong before it reaches this program. */
const STATUS_OF: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

/** The server of the control socket: HTTP whose answers are JSON lines, written as things happen. */
export function controlServer(supervisor: Supervisor): Server {
  const server = createServer(
    {
      maxHeaderSize: 8_192,
      requestTimeout: REQUEST_TIME,
      headersTimeout: REQUEST_TIME,
      connectionsCheckingInterval: REQUEST_TIME / 4,
    },
    (request, response) => {
      answer(supervisor, request, response).catch(() => response.destroy());
    },
  );
  server.maxConnections = MOST_CLIENTS;
  // One client cannot pile up requests that wait.
  server.maxRequestsPerSocket = 1;
  // A failed accept, or a client that breaks off, must not end the supervisor.
  server.on('error', () => {});
  server.on('clientError', ({ code }: NodeJS.ErrnoException, socket) => {
    const status = STATUS_OF[code ?? ''] ?? '400 Bad Request';
    // A client that does not close its side must not keep the descriptor.
    const destroy = () => socket.destroy();
    if (socket.writable && code !== 'ECONNRESET')
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\n\r\n`, destroy);
    else destroy();
  });
  return server;
}

async function answer(
  supervisor: Supervisor,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.on('error', () => {});
  const { method, url = '' } = request;
  if (method === 'GET' && url === '/status') return end(response, 200, await statusOf(supervisor));
  const post = postAt(url);
  if (url !== '/status' && !post) return end(response, 404, { error: `unknown path ${url}` });
  if (method !== 'POST' || !post) return end(response, 405, { error: `${method} is not for ${url}` });
  const text = await textOf(request);
  if (text === undefined) return end(response, 413, { error: `a request has at most ${LONGEST_BODY} bytes` });
  let action: Action;
  try {
    action = actionOf(post, text, supervisor.target);
  } catch (error) {
    return end(response, error instanceof BadRequest ? 400 : 500, { error: (error as Error).message });
  }
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  const write = (line: ControlLine) => response.write(`${JSON.stringify(line)}\n`);
  try {
    write({ exitCode: await action(supervisor, (line) => write({ line })) });
  } catch (error) {
    write({ exitCode: EXIT.failed, error: (error as Error).message });
  }
  response.end();
}

function end(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

/** The whole body; undefined as soon as it is too long. Never resolves if the client breaks off. */
function textOf(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > LONGEST_BODY) resolve(undefined);
      else chunks.push(chunk);
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString()));
    request.on('error', () => {});
  });
}
