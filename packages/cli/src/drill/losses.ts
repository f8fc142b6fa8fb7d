/** The ways in which a request is lost, each with its meaning for the report. */
export const LOSSES = {
  refused: 'no process listened',
  unreachable: 'the connection could not be opened',
  reset: 'the connection was reset before the last byte of the response',
  closed: 'the connection was closed instead of a response',
  truncated: 'the connection was closed within the response',
  'wrong-length': 'more bytes came than the response announced',
  malformed: 'the bytes that came are not an HTTP response',
  silence: 'no whole response came within 5 s',
  '502': 'a proxy reached no process: Bad Gateway',
  '503': 'a proxy or the program was not available: Service Unavailable',
  '504': 'a proxy got no response: Gateway Timeout',
  '5xx': 'the program answered with another server error',
} as const;

/** The way in which one request was lost. */
export type LossKind = keyof typeof LOSSES;

/** Milliseconds in which a whole response has to come. */
export const PATIENCE = 5_000;

/** The kind of loss that a status is, if it is one. */
export function lossOfStatus(status: number): LossKind | undefined {
  if (status < 500) return undefined;
  return status === 502 || status === 503 || status === 504 ? `${status}` : '5xx';
}

/** Counts by kind as text: `reset 3, 502 1`. */
export function lossesAsText(lostBy: Partial<Record<LossKind, number>>): string {
  return Object.entries(lostBy)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
}
