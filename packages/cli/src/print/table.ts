import Table from 'cli-table3';
import type { Status } from '../control/status.js';

/** A status as text: a line about the supervisor, a row for each worker, and the last restart. */
export function tableOf({
  pid,
  state,
  script,
  workers,
  addresses,
  worker,
  draining,
  lastRestart,
}: Status): string {
  const table = new Table({
    head: ['worker', 'pid', 'generation', 'state', 'up', 'memory', 'crashes'],
    // No colours, so that a pipe gets plain text.
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: NO_LINES,
  });
  for (const { index, pid, generation, state, uptimeMs, rss, restarts, nextStartMs } of worker) {
    const when = nextStartMs === null ? state : `${state} ${seconds(nextStartMs)}`;
    table.push([
      index,
      pid ?? '-',
      generation ?? '-',
      when,
      seconds(uptimeMs),
      mebibytes(rss),
      restarts.crash,
    ]);
  }
  for (const { index, pid, generation } of draining)
    table.push([index, pid, generation, 'draining', '-', '-', '-']);
  const served = addresses.map(({ address }) => address).join(', ') || 'nothing';
  const lines = [
    `${script} is ${state}: pid ${pid}, ${workers.ready} of ${workers.target} workers ready, on ${served}`,
    table.toString(),
  ];
  if (lastRestart) {
    const { at, result, durationMs, error } = lastRestart;
    lines.push(`last restart: ${result} at ${at}, ${seconds(durationMs)}${error ? `: ${error}` : ''}`);
  }
  return `${lines.join('\n')}\n`;
}

function seconds(ms: number | null): string {
  return ms === null ? '-' : `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`;
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
