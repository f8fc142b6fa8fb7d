import Table from 'cli-table3';
import type { DrainStatus, Status, WorkerStatus } from '../control/status.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const COLUMNS = [
  ...['worker', 'pid', 'generation', 'state', 'up', 'memory'],
  ...['loop', 'connections', 'requests', 'crashes'],
];

/** A status as text: a line about the supervisor, a row for each worker, and the last restart. */
export function tableOf({
  pid,
  state,
  release,
  workers,
  addresses,
  worker,
  draining,
  lastRestart,
}: Status): string {
  const table = new Table({
    head: COLUMNS,
    // No colours, so that a pipe gets plain text.
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: NO_LINES,
  });
  for (const each of worker) {
    const { index, pid, generation, state, uptimeMs, rss, restarts, nextStartMs } = each;
    const when = nextStartMs === null ? state : `${state} ${shortTime(nextStartMs)}`;
    table.push([
      ...[index, pid ?? '-', generation ?? '-', when, shortTime(uptimeMs), mebibytes(rss)],
      ...[...held(each), restarts.crash],
    ]);
  }
  for (const each of draining)
    table.push([each.index, each.pid, each.generation, 'draining', '-', '-', ...held(each), '-']);
  const served = addresses.map(({ address }) => address).join(', ') || 'nothing';
  const lines = [
    `${release} is ${state}: pid ${pid}, ${workers.ready} of ${workers.target} workers ready, on ${served}`,
    table.toString().replaceAll(/ +$/gm, ''),
  ];
  if (lastRestart) {
    const { at, result, durationMs, error } = lastRestart;
    lines.push(`last restart: ${result} at ${at}, ${seconds(durationMs)}${error ? `: ${error}` : ''}`);
  }
  return `${lines.join('\n')}\n`;
}

/** What a process holds, for a row. */
function held({ loop, connections, requests }: WorkerStatus | DrainStatus): (string | number)[] {
  return [loop === null ? '-' : `${Math.round(100 * loop)} %`, connections ?? '-', requests ?? '-'];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
}

/** A time that takes at most six columns. */
function shortTime(ms: number | null): string {
  if (ms === null) return '-';
  if (ms < 2 * MINUTE) return seconds(ms);
  if (ms < 2 * HOUR) return `${Math.round(ms / MINUTE)} m`;
  return ms < 2 * DAY ? `${Math.round(ms / HOUR)} h` : `${Math.round(ms / DAY)} d`;
}

function mebibytes(bytes: number | null): string {
  return bytes === null ? '-' : `${Math.round(bytes / 1_024 ** 2)} MiB`;
}

/** Columns without lines between them. */
export const NO_LINES = Object.fromEntries(
  ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right']
    .concat(['left', 'left-mid', 'mid', 'mid-mid', 'middle', 'right', 'right-mid'])
    .map((name) => [name, '']),
);
