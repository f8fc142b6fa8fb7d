import { type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import { EXIT } from '../exit-codes.js';
import type { ControlLine } from './server.js';

/** No supervisor answers on the control socket. */
export class NotRunning extends Error {}

/** How long an answer may take that needs no work. */
const ANSWER_TIME = 10_000;

/** Gets JSON from the supervisor. */
export async function getJson<Body>(socketPath: string, url: string): Promise<Body> {
  const response = await send(socketPath, 'GET', url, undefined, ANSWER_TIME);
  let text = '';
  for await (const chunk of response) text += chunk;
  return JSON.parse(text) as Body;
}

/** Asks the supervisor to do something, prints each line of its answer, and resolves with the exit code. */
export async function order(
  socketPath: string,
  url: string,
  body: object,
  print: (line: string) => void,
): Promise<number> {
  const response = await send(socketPath, 'POST', url, body);
  let exitCode: number | undefined;
  try {
    for await (const text of createInterface({ input: response })) {
      const line = JSON.parse(text) as ControlLine & { error?: string };
      if ('line' in line) print(line.line);
      if (line.error !== undefined) process.stderr.write(`endless: ${line.error}\n`);
      if ('exitCode' in line) exitCode = line.exitCode;
    }
  } catch {
    // The supervisor has exited: what came before counts.
  }
  if (exitCode === undefined && response.statusCode === 200) print('The supervisor has exited.');
  if (response.statusCode === 400) return EXIT.usage;
  return exitCode ?? EXIT.failed;
}

function send(
  socketPath: string,
  method: string,
  url: string,
  body?: object,
  timeout?: number,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path: url }, resolve);
    asked.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        ['ENOENT', 'ECONNREFUSED'].includes(error.code ?? '')
          ? new NotRunning(
              `no supervisor answers on ${socketPath}. Go to the directory of \`endless run\`, or name its --control.`,
            )
          : error,
      ),
    );
    if (timeout !== undefined)
      asked.setTimeout(timeout, () => asked.destroy(new Error(`${socketPath} gave no answer in time`)));
    asked.end(body && JSON.stringify(body));
  });
}
