// What the programs of this folder share: one request listener, and a file that says which cleanup ran in which process.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

export const port = Number(process.env.PORT);

/** Writes down that this process has cleaned up. */
export const cleaned = (what = 'cleaned') =>
  appendFileSync(process.env.CLEANUP_LOG, `${process.pid} ${what}\n`);

/** Answers with the pid, after `ms` milliseconds if the request asks for it. */
export const listener = (request, response) => {
  const ms = Number(new URL(request.url, 'http://localhost').searchParams.get('ms') ?? 0);
  if (ms > 0) console.log(`began ${process.pid}`);
  response.setHeader('x-pid', String(process.pid));
  setTimeout(() => response.end('served'), ms);
};

export const server = createServer(listener);
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Only where the program runs with endless: bare, nothing of it is loaded.
if (process.env.SETTINGS) (await import('@endless/core')).endless.configure(JSON.parse(process.env.SETTINGS));
