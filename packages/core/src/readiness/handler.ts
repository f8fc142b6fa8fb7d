import type { ServerResponse } from 'node:http';

/** What a readiness check is told. */
export interface Readiness {
  /** 200, or 503 from the first moment of a shutdown; a restart never turns it red. */
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
