import { activities, inFlight } from '../connections/activity.js';
import type { TrackedServer } from '../connections/tracked-server.js';

/** A request that was force-closed. */
export interface HammeredRequest {
  method: string;
  /** The path alone: the query and credentials do not belong in a log. Unprintable characters are escaped. */
  path: string;
  /** Milliseconds in flight; a request from before the drain is counted from the start of the drain. */
  ageMs: number;
}

/** What was force-closed. */
export interface Hammered {
  /** The requests that were in flight. */
  requests: HammeredRequest[];
  /** The connections that were open, counted by what they were doing. */
  connections: Record<string, number>;
}

/** Destroys all connections of these servers, also upgraded and half-open; returns what they were doing. */
export function hammerServers(servers: Iterable<TrackedServer>, now: number, drainBegan: number): Hammered {
  const report: Hammered = { requests: [], connections: {} };
  for (const tracked of servers) {
    note(tracked, report, (answer) => now - (tracked.arrivals.get(answer) ?? drainBegan));
    for (const session of [...tracked.sessions]) session.destroy();
    for (const socket of [...tracked.secured, ...tracked.sockets]) socket.destroy();
  }
  return report;
}

function note(
  tracked: TrackedServer,
  { requests, connections }: Hammered,
  ageOf: (answer: object) => number,
): void {
  const count = (kind: string, by: number) => {
    if (by > 0) connections[kind] = (connections[kind] ?? 0) + by;
  };
  const add = (method: unknown, url: unknown, answer: object) =>
    requests.push({
      method: printable(String(method)),
      path: pathOf(String(url)),
      ageMs: Math.round(ageOf(answer)),
    });
  for (const [socket, activity] of activities(tracked)) {
    for (const response of inFlight(tracked, socket)) add(response.req.method, response.req.url, response);
    // The sockets below HTTP/2 sessions are counted as sessions.
    if (!(tracked.http2 && activity === 'other')) count(activity, 1);
  }
  for (const [stream, headers] of tracked.streams) add(headers[':method'], headers[':path'], stream);
  count('http2', tracked.sessions.size);
  if (tracked.secure) count('handshake', tracked.sockets.size - tracked.secured.size);
}

/** The report in one line, for the log. */
export function summaryOf({ requests, connections }: Hammered): string {
  const kinds = Object.entries(connections).map(([kind, count]) => `${count} ${kind}`);
  const shown = requests
    .slice(0, MOST_SHOWN)
    .map(({ method, path, ageMs }) => `${method} ${shortened(path)} after ${ageMs} ms`);
  if (requests.length > MOST_SHOWN) shown.push(`and ${requests.length - MOST_SHOWN} more`);
  const ended = `${requests.length} request${requests.length === 1 ? '' : 's'}`;
  return `${ended}${shown.length > 0 ? ` (${shown.join(', ')})` : ''}; connections: ${kinds.join(', ') || 'none'}`;
}

const MOST_SHOWN = 10;
/** How much of a path the log shows: a client may send one of many kilobytes. */
const LONGEST_PATH = 100;

function shortened(path: string): string {
  return path.length > LONGEST_PATH ? `${path.slice(0, LONGEST_PATH)}...` : path;
}

/** The path of a request target, which may be a whole URL. */
function pathOf(target: string): string {
  const [before = ''] = target.split(/[?#]/, 1);
  return printable(/^(?:\/|\*$)/.test(before) ? before : before.replace(/^[^/]*(?:\/\/[^/]*)?/, '') || '/');
}

/** Escapes bytes of HTTP/2 clients that a terminal would obey, or some log readers take for a line end. */
function printable(text: string): string {
  const escaped = (character: string) => {
    const bytes = Buffer.from(character, character <= '\xff' ? 'latin1' : 'utf8');
    return bytes.toString('hex').toUpperCase().replace(/../g, '%$&');
  };
  return text.replace(/[^\x21-\x7e]/gu, escaped);
}

/** How many connections the report counts. */
export function connectionsIn({ connections }: Hammered): number {
  return Object.values(connections).reduce((sum, count) => sum + count, 0);
}
