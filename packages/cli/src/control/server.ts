import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { EXIT } from '../exit-codes.js';
import { mostWorkers } from '../program/worker-count.js';
import type { RestartReport } from '../supervisor/rolling-restart.js';
import type { Supervisor } from '../supervisor/supervisor.js';
import { statusOf } from './status.js';

/** One line of an answer. The last line of each carries the exit code for the command that asked. */
export type ControlLine = { line: string } | { exitCode: number; error?: string };

/** The most bytes of a request that are read. */
const LONGEST_BODY = 4_096;
/** When a stop with `now` force-closes: not before the workers have begun to drain, and again if one was slow. */
const HAMMER_AFTER = [100, 1_000];
/** More workers than any machine needs. */
const MOST_WORKERS = 1_024;

const CODES: Record<RestartReport['result'], number> = {
  done: EXIT.done,
  failed: EXIT.failed,
  partly: EXIT.partly,
};

type Answer = (
  supervisor: Supervisor,
  body: Record<string, unknown>,
  say: (line: string) => void,
) => Promise<number>;

const POSTS: Record<string, Answer> = {
  async '/restart'(supervisor, _body, say) {
    const { result, error } = await supervisor.restart(say);
    if (error !== undefined) say(error);
    return CODES[result];
  },
  async '/stop'(supervisor, { now }, say) {
    say(`stopping pid ${process.pid}`);
    supervisor.stop('SIGTERM');
    if (now === true) for (const ms of HAMMER_AFTER) setTimeout(() => supervisor.hammer(), ms).unref();
    return await supervisor.ended;
  },
  async '/scale'(supervisor, { to }, say) {
    await supervisor.scale(countOf(to, supervisor.target), say);
    say(`${supervisor.ready} of ${supervisor.target} workers are ready`);
    return EXIT.done;
  },
};

/** What was asked for makes no sense: nothing has changed. */
class BadRequest extends Error {}

/** The server of the control socket: HTTP whose answers are JSON lines, written as things happen. */
export function controlServer(supervisor: Supervisor): Server {
  const server = createServer({ maxHeaderSize: 8_192 }, (request, response) => {
    answer(supervisor, request, response).catch(() => response.destroy());
  });
  // A client that breaks off must not end the supervisor.
  server.on('clientError', (_error, socket) => socket.destroy());
  return server;
}

async function answer(
  supervisor: Supervisor,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.on('error', () => {});
  const { method, url } = request;
  const post = POSTS[url ?? ''];
  if (method === 'GET' && url === '/status') {
    end(response, 200, statusOf(supervisor));
    return;
  }
  if (url !== '/status' && !post) return end(response, 404, { error: `unknown path ${url}` });
  if (method !== 'POST' || !post) return end(response, 405, { error: `${method} is not for ${url}` });
  let body: Record<string, unknown>;
  try {
    body = await bodyOf(request);
  } catch (error) {
    return end(response, 400, { error: (error as Error).message });
  }
  const write = (line: ControlLine) => {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write(`${JSON.stringify(line)}\n`);
  };
  try {
    const exitCode = await post(supervisor, body, (line) => write({ line }));
    write({ exitCode });
    response.end();
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof BadRequest && !response.headersSent) return end(response, 400, { error: message });
    write({ exitCode: EXIT.failed, error: message });
    response.end();
  }
}

function end(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > LONGEST_BODY) throw new Error(`a request has at most ${LONGEST_BODY} bytes`);
  }
  if (text === '') return {};
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Error('the request is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new Error('the request is not an object');
  return body as Record<string, unknown>;
}

/** The number of workers that is asked for: `4`, `+1`, `-1` or `max`. */
function countOf(to: unknown, present: number): number {
  const text = String(to);
  if (text === 'max') return mostWorkers();
  if (!/^[+-]?\d{1,4}$/.test(text))
    throw new BadRequest(`\`to\` must be a number, +N, -N or max; received ${text}`);
  const count = /^[+-]/.test(text) ? present + Number(text) : Number(text);
  if (count < 1 || count > MOST_WORKERS)
    throw new BadRequest(`the number of workers must be from 1 to ${MOST_WORKERS}; that would be ${count}`);
  return count;
}
