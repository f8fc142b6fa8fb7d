import { activities, inFlight } from './activity.js';
import type { TrackedServer } from './tracked-server.js';

/** What the hammer ended. */
export interface Hammered {
  /** The requests that were in flight, each as its method and its path without the query. */
  requests: string[];
  /** The connections that were open, counted by what they were doing. */
  connections: Record<string, number>;
}

/** Destroys every connection of these servers, upgraded and half-open ones too, and says what they were doing. */
export function hammerServers(servers: Iterable<TrackedServer>): Hammered {
  const report: Hammered = { requests: [], connections: {} };
  for (const tracked of servers) {
    note(tracked, report);
    for (const session of [...tracked.sessions]) session.destroy();
    for (const socket of [...tracked.secured, ...tracked.sockets]) socket.destroy();
  }
  return report;
}

function note(tracked: TrackedServer, { requests, connections }: Hammered): void {
  const count = (kind: string, by: number) => {
    if (by > 0) connections[kind] = (connections[kind] ?? 0) + by;
  };
  for (const [socket, activity] of activities(tracked)) {
    for (const { req } of inFlight(tracked, socket)) requests.push(`${req.method} ${withoutQuery(req.url)}`);
    // The sockets below HTTP/2 sessions are counted as sessions.
    if (!(tracked.http2 && activity === 'other')) count(activity, 1);
  }
  for (const headers of tracked.streams.values())
    requests.push(`${headers[':method']} ${withoutQuery(headers[':path'])}`);
  count('http2', tracked.sessions.size);
  if (tracked.secure) count('handshake', tracked.sockets.size - tracked.secured.size);
}

/** A query may hold what must not stand in a log. */
function withoutQuery(url: unknown): string {
  return String(url).split('?', 1)[0] as string;
}

/** The report in one line, for the log. */
export function summaryOf({ requests, connections }: Hammered): string {
  const kinds = Object.entries(connections).map(([kind, count]) => `${count} ${kind}`);
  const shown = requests.slice(0, 10).join(', ');
  const more = requests.length > 10 ? `, and ${requests.length - 10} more` : '';
  const ended =
    requests.length === 0
      ? 'no request'
      : `${requests.length} request${requests.length === 1 ? '' : 's'} (${shown}${more})`;
  return `${ended}; connections: ${kinds.join(', ') || 'none'}`;
}

/** How many connections the report counts. */
export function connectionsIn({ connections }: Hammered): number {
  return Object.values(connections).reduce((sum, count) => sum + count, 0);
}
