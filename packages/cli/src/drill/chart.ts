import { milliseconds } from './format.js';
import type { PhaseReport } from './report.js';
import { SLICE, type Slice } from './timeline.js';

const WIDTH = 900;
const LEFT = 64;
const RIGHT = 12;
const TOP = 48;
const PANEL = 110;
const GAP = 34;

/** One panel of the chart: a value over time. */
interface Panel {
  title: string;
  value(slice: Slice): number | undefined;
  label(value: number): string;
  bars: boolean;
}

const PANELS: readonly Panel[] = [
  {
    title: 'requests per second',
    value: ({ requests }) => (requests * 1_000) / SLICE,
    label: (value) => String(Math.round(value)),
    bars: false,
  },
  { title: `lost in ${SLICE} ms`, value: ({ lost }) => lost, label: (value) => String(value), bars: true },
  { title: 'p99', value: ({ p99 }) => p99, label: milliseconds, bars: false },
];

/** Draws requests, losses and p99 over the time of a drill, with each phase behind them, as SVG. */
export function chart(slices: readonly Slice[], phases: readonly PhaseReport[]): string {
  const end = Math.max(SLICE, slices.length * SLICE, ...phases.map(({ toMs }) => toMs));
  const x = (ms: number) => LEFT + (ms / end) * (WIDTH - LEFT - RIGHT);
  const bottom = TOP + PANELS.length * (PANEL + GAP) - GAP;
  const content = [
    ...phases.map((phase, at) => bandOf(phase, at, x, bottom)),
    ...PANELS.map((panel, at) => panelOf(panel, slices, x, TOP + at * (PANEL + GAP))),
    ...ticksOf(end).map(
      (ms) =>
        `<text class="tick" x="${round(x(ms))}" y="${bottom + 18}" text-anchor="middle">${ms / 1_000} s</text>`,
    ),
  ];
  const label = 'Requests per second, lost requests and p99 over the time of the drill';
  return `<svg viewBox="0 0 ${WIDTH} ${bottom + 26}" role="img" aria-label="${label}">\n${content.join('\n')}\n</svg>`;
}

/** The time of a phase, and within it the time that its step took. */
function bandOf(
  { name, fromMs, toMs, tookMs }: PhaseReport,
  at: number,
  x: (ms: number) => number,
  bottom: number,
): string {
  const box = (kindOfBox: string, from: number, to: number) =>
    `<rect class="${kindOfBox}" x="${round(x(from))}" y="${TOP - 8}" width="${round(x(to) - x(from))}" height="${bottom - TOP + 8}"/>`;
  const step = tookMs === null ? '' : box('step', fromMs, Math.min(toMs, fromMs + tookMs));
  // Names beside each other stand on two lines, and those near the edge end there.
  const short = x(toMs) - x(fromMs) < 60 ? name.replace('restart ', '') : name;
  const [place, anchor] = x(fromMs) > 0.8 * WIDTH ? [x(toMs) - 2, 'end'] : [x(fromMs) + 2, 'start'];
  const row = at % 2 === 0 ? 10 : 22;
  const label = `<text x="${round(place)}" y="${row}" text-anchor="${anchor}">${escapeHtml(short)}</text>`;
  return `<g><title>${escapeHtml(name)}</title>${box('phase', fromMs, toMs)}${step}${label}</g>`;
}

function panelOf(panel: Panel, slices: readonly Slice[], x: (ms: number) => number, top: number): string {
  const most = Math.max(...slices.map((slice) => panel.value(slice) ?? 0), panel.bars ? 1 : 0.001);
  const y = (value: number) => round(top + PANEL - (value / most) * PANEL);
  const axis = [
    `<line class="axis" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${top + PANEL}" y2="${top + PANEL}"/>`,
    `<text class="tick" x="${LEFT - 6}" y="${top + 4}" text-anchor="end">${panel.label(most)}</text>`,
    `<text class="tick" x="${LEFT - 6}" y="${top + PANEL}" text-anchor="end">0</text>`,
    `<text class="title" x="${LEFT}" y="${top - 4}">${panel.title}</text>`,
  ];
  return `<g>${axis.join('')}${panel.bars ? bars() : line()}</g>`;

  function bars(): string {
    const width = round(Math.max(1.5, x(SLICE) - x(0)));
    return slices
      .filter((slice) => (panel.value(slice) ?? 0) > 0)
      .map((slice) => {
        const value = panel.value(slice) ?? 0;
        return `<rect class="lost" x="${round(x(slice.at))}" y="${y(value)}" width="${width}" height="${round(top + PANEL - y(value))}"><title>${value} lost at ${slice.at / 1_000} s</title></rect>`;
      })
      .join('');
  }

  /** A line that breaks where there is no value. */
  function line(): string {
    let pen = 'M';
    const path = slices.map((slice) => {
      const value = panel.value(slice);
      const point = value === undefined ? '' : `${pen}${round(x(slice.at + SLICE / 2))} ${y(value)}`;
      pen = value === undefined ? 'M' : 'L';
      return point;
    });
    return `<path class="line" d="${path.join('')}"/>`;
  }
}

/** About ten round times. */
function ticksOf(end: number): number[] {
  const step = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600].find(
    (each) => end / (each * 1_000) <= 12,
  );
  const every = (step ?? Math.ceil(end / 12_000)) * 1_000;
  return Array.from({ length: Math.floor(end / every) + 1 }, (_, at) => at * every);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A text as it stands in HTML and SVG. */
export function escapeHtml(text: string): string {
  const names: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replaceAll(/[&<>"']/g, (character) => names[character] ?? '');
}
