import { counted, milliseconds, seconds } from './format.js';
import type { Phase, PhaseKind } from './phase.js';

/** A response that takes longer than this is named, if it also takes ten times as long as usual. */
const SLOW_RESPONSE = 250;
/** From this share of close notices before any restart on, connections are not kept at all. */
const NOT_KEPT = 0.5;

const NAMES: Record<PhaseKind, string> = {
  before: 'Before the first step',
  restart: 'In restarts',
  kill: 'After the SIGKILL',
  scale: 'While scaling',
  failure: 'In the restart that failed',
  stop: 'In the stop',
};

/** What in a server was in the way of its restarts, by what the clients have seen. */
export function inTheWayOfServer(phases: readonly Phase[]): string[] {
  const [before, ...steps] = phases;
  if (!before) return [];
  const keepsNone = before.toldToClose > NOT_KEPT * before.answered;
  const usual = before.latencies.percentile(99) / 1_000;
  const found: string[] = [];
  if (before.lost > 0) found.push('Requests were lost before the first step: a restart is not their cause.');
  if (keepsNone)
    found.push('Responses have `Connection: close` also without a restart: no connection is kept alive.');
  for (const kind of new Set(steps.map((phase) => phase.kind)))
    found.push(...inSteps(kind, sumOf(steps.filter((phase) => phase.kind === kind)), usual, keepsNone));
  return found;
}

function inSteps(kind: PhaseKind, sum: Sum, usual: number, keepsNone: boolean): string[] {
  const found: string[] = [];
  const say = (text: string) => found.push(`${NAMES[kind]} ${text}`);
  if (sum.refused !== undefined)
    say(
      `no process listened for up to ${seconds(sum.refused)}. Start the new one first, on the same socket.`,
    );
  if (sum.errors > 0)
    say(`the program sent ${counted(sum.errors, 'server error')}: it answers while it is not ready.`);
  if (sum.slowest > SLOW_RESPONSE && sum.slowest > 10 * usual)
    say(`the slowest response took ${milliseconds(sum.slowest)} (p99 before: ${milliseconds(usual)}).`);
  // A SIGKILL and a stop close connections, whatever the program does.
  if (kind === 'kill' || kind === 'stop') return found;
  if (sum.closedIdle > 0)
    say(
      `the server closed ${counted(sum.closedIdle, 'idle connection')}: a request that crosses that is lost.`,
    );
  if (sum.toldToClose > 0 && !keepsNone)
    say(`${counted(sum.toldToClose, 'response')} had \`Connection: close\`: these clients connect again.`);
  if (sum.webSocketsClosed > 0) say(`the server closed ${counted(sum.webSocketsClosed, 'WebSocket')}.`);
  return found;
}

interface Sum {
  /** Milliseconds. */
  refused: number | undefined;
  errors: number;
  slowest: number;
  closedIdle: number;
  toldToClose: number;
  webSocketsClosed: number;
}

function sumOf(phases: readonly Phase[]): Sum {
  const add = (of: (phase: Phase) => number) => phases.reduce((all, phase) => all + of(phase), 0);
  const refusals = phases.flatMap(({ refused }) => (refused ? [refused.last - refused.first] : []));
  return {
    refused: refusals.length > 0 ? Math.max(...refusals) : undefined,
    errors: add(({ lostBy }) => lostBy.get('5xx') ?? 0),
    slowest:
      Math.max(0, ...phases.filter(({ answered }) => answered > 0).map(({ latencies }) => latencies.max)) /
      1_000,
    closedIdle: add(({ closedIdle }) => closedIdle),
    toldToClose: add(({ toldToClose }) => toldToClose),
    webSocketsClosed: add(({ webSocketsClosed }) =>
      [...webSocketsClosed.values()].reduce((a, b) => a + b, 0),
    ),
  };
}
