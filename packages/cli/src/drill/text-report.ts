import Table from 'cli-table3';
import { NO_LINES } from '../print/table.js';
import { counted, milliseconds, seconds } from './format.js';
import { LOSSES, type LossKind, lossesAsText } from './losses.js';
import type { DrillReport } from './report.js';

/** The report as text. */
export function textReport(report: DrillReport): string {
  const { target, requests, lost, lostBy, lostToKill, connections, latency, inTheWay, failures } = report;
  const kinds = Object.entries(lostBy) as [LossKind, number][];
  const lines = [
    '',
    `endless drill of ${target}: ${counted(requests, 'request')} in ${seconds(report.durationMs)}`,
    '',
    tableOf(report),
    '',
    lost === 0 ? 'Nothing was lost.' : `${counted(lost, 'request')} lost:`,
    ...kinds.flatMap(([kind, count]) => [`  ${kind} ${count}: ${LOSSES[kind]}`, ...firstOf(report, kind)]),
  ];
  if (Object.keys(lostToKill).length > 0)
    lines.push(`The SIGKILL cost what its process held, which does not count: ${lossesAsText(lostToKill)}.`);
  lines.push(
    `Connections: ${connections.opened} opened, ${connections.closedIdle} closed while idle, ${connections.toldToClose} told to close.`,
  );
  const codes = Object.entries(report.webSocketsClosed);
  if (codes.length > 0)
    lines.push(
      `WebSockets closed: ${codes.map(([code, count]) => `${count} with code ${code}`).join(', ')}.`,
    );
  lines.push(
    `p99: ${milliseconds(latency.before.p99 ?? undefined)} before, ${milliseconds(latency.during.p99 ?? undefined)} during.`,
  );
  if (inTheWay.length > 0) lines.push('', 'In the way:', ...inTheWay.map((each) => `  - ${each}`));
  lines.push('', ...(failures.length > 0 ? failures.map((each) => `Failed: ${each}`) : ['Passed.']));
  return `${lines.join('\n')}\n`;
}

/** The first request that was lost in this way. */
function firstOf({ losses }: DrillReport, kind: LossKind): string[] {
  const first = losses.find((loss) => loss.kind === kind);
  if (!first) return [];
  const { request, at, phase, answeredBefore, detail } = first;
  return [`    first ${request} at ${seconds(at)}, ${phase}, after ${answeredBefore} responses: ${detail}`];
}

function tableOf({ phases }: DrillReport): string {
  const table = new Table({
    head: ['', 'took', 'requests', 'lost', 'closed', 'p50', 'p99'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    // No colours, so that a pipe gets plain text.
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    chars: NO_LINES,
  });
  for (const { name, tookMs, requests, lost, closedIdle, toldToClose, latency } of phases)
    table.push([
      name,
      tookMs === null ? '-' : seconds(tookMs),
      requests,
      lost,
      closedIdle + toldToClose,
      milliseconds(latency.p50 ?? undefined),
      milliseconds(latency.p99 ?? undefined),
    ]);
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}
