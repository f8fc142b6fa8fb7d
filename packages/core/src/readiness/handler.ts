import type { ServerResponse } from 'node:http';

/** The answer to a readiness check. */
export interface Readiness {
  /** 200, or 503 as soon as a shutdown begins; never 503 because of a restart. */
  status: 200 | 503;
  body: { state: string; generation: number };
}

/** Answers a readiness check on a plain `node:http` response. */
export function answerReadiness(response: ServerResponse, { status, body }: Readiness): void {
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Cache-Control', 'no-store');
  response.end(JSON.stringify(body));
}
