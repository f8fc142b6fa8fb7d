import { VERSION } from '../version.js';
import { chart, escapeHtml } from './chart.js';
import { counted, milliseconds, seconds } from './format.js';
import { LOSSES, type LossKind, lossesAsText } from './losses.js';
import type { DrillReport, PhaseReport } from './report.js';
import type { Slice } from './timeline.js';

/** Readable in light and dark, and without anything from the network. */
const STYLE = `
:root { color-scheme: light dark; --ink: #1f2328; --faint: #59636e; --paper: #fff; --rule: #d1d9e0; --phase: #eef2f6; --step: #cfe3f7; --line: #0b66c2; --bad: #c9332c; --good: #1a7f37; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --faint: #9198a1; --paper: #0d1117; --rule: #3d444d; --phase: #161c24; --step: #1d3550; --line: #6cb6ff; --bad: #ff7b72; --good: #56d364; } }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.passed { color: var(--good); } .failed { color: var(--bad); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--faint); } svg .title { fill: var(--ink); font-weight: 600; }
svg .phase { fill: var(--phase); stroke: var(--paper); } svg .step { fill: var(--step); } svg .axis { stroke: var(--rule); }
svg .line { fill: none; stroke: var(--line); stroke-width: 1.5; } svg .lost { fill: var(--bad); }
`;

/** The report as one HTML page. */
export function htmlReport(report: DrillReport, slices: readonly Slice[]): string {
  const { target, passed, failures, requests, lost, lostBy, lostToKill, inTheWay, startedAt } = report;
  const kinds = Object.entries(lostBy) as [LossKind, number][];
  const title = `endless drill of ${target}`;
  const facts = [
    lost === 0 ? 'Nothing was lost.' : `${counted(lost, 'request')} lost.`,
    ...kinds.map(([kind, count]) => `${kind} ${count}: ${LOSSES[kind]}.`),
    ...(Object.keys(lostToKill).length > 0
      ? [`Lost to the SIGKILL, not counted: ${lossesAsText(lostToKill)}.`]
      : []),
    ...failures.map((failure) => `Failed: ${failure}.`),
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
<h1>${escapeHtml(title)}: <span class="${passed ? 'passed' : 'failed'}">${passed ? 'passed' : 'failed'}</span></h1>
<p>${counted(requests, 'request')} in ${seconds(report.durationMs)}, from ${startedAt}, by endless ${VERSION}.</p>
${listOf(facts)}
<div class="wide">${chart(slices, report.phases)}</div>
<p>Each grey band is a phase, and its blue part is the time of the step: the restart, the SIGKILL, the stop.</p>
<div class="wide"><table>
<tr><th>phase</th><th>took</th><th>requests</th><th>lost</th><th>closed</th><th>p50</th><th>p99</th><th>slowest</th></tr>
${report.phases.map(rowOf).join('\n')}
</table></div>
${inTheWay.length > 0 ? `<h2>In the way</h2>\n${listOf(inTheWay)}` : ''}
</html>
`;
}

function listOf(texts: readonly string[]): string {
  return `<ul>\n${texts.map((text) => `<li>${escapeHtml(text)}</li>`).join('\n')}\n</ul>`;
}

function rowOf({
  name,
  tookMs,
  requests,
  lost,
  closedIdle,
  toldToClose,
  latency,
  error,
}: PhaseReport): string {
  const cells = [
    `${name}${error === null ? '' : `: ${error}`}`,
    tookMs === null ? '-' : seconds(tookMs),
    ...[requests, lost, closedIdle + toldToClose].map(String),
    ...[latency.p50, latency.p99, latency.max].map((ms) => milliseconds(ms ?? undefined)),
  ];
  return `<tr>${cells.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`;
}
