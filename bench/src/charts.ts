import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

/** One length of one part of a bar. */
export interface Bar {
  name: string;
  part: string;
  value: number;
}

/** Colours that tell themselves from white and from black; text and lines follow the reader's choice. */
const STYLE = `
  .bench { color: #24292f; font-family: system-ui, sans-serif; }
  .bench text { white-space: pre; }
  @media (prefers-color-scheme: dark) { .bench { color: #d0d7de; } }
`;
const COLORS = ['#cf4b3f', '#d18f22', '#8b6fc9'];
const GENERATIONS = ['#2f81c7', '#35a06b'];
const WIDTH = 800;

/** Draws a bar for each name, of the lengths of its parts. */
export function bars(chart: { title: string; unit: string; parts: string[]; rows: Bar[] }): string {
  const names = [...new Set(chart.rows.map(({ name }) => name))];
  const totals = names.map((name) => ({
    name,
    value: chart.rows.filter((row) => row.name === name).reduce((sum, { value }) => sum + value, 0),
  }));
  return draw(chart.title, chart.parts.length > 1 ? legend(chart.parts, COLORS) : [], {
    marginLeft: 250,
    marginRight: 60,
    marginTop: 50,
    marginBottom: 45,
    height: 95 + 28 * names.length,
    x: { label: chart.unit, labelAnchor: 'center', labelArrow: 'none', grid: true, zero: true, ticks: 5 },
    y: { label: null, domain: names },
    marks: [
      Plot.barX(chart.rows, {
        x: 'value',
        y: 'name',
        fill: ({ part }: Bar) => COLORS[chart.parts.indexOf(part)],
      }),
      Plot.text(totals, {
        x: 'value',
        y: 'name',
        text: ({ value }: { value: number }) => value.toLocaleString('en-US', { maximumFractionDigits: 1 }),
        textAnchor: 'start',
        dx: 5,
      }),
      Plot.ruleX([0]),
    ],
  });
}

/** One slice of a timeline. */
export interface Slice {
  /** Which of the timelines. */
  name: string;
  /** Seconds from the restart to the end of the slice. */
  at: number;
  /** Which of the processes, or `lost`. */
  part: string;
  value: number;
}

/** Draws timelines below each other, with what each part has in each slice. */
export function timelines(chart: {
  title: string;
  unit: string;
  slice: number;
  parts: string[];
  rows: Slice[];
}): string {
  const colors = [...GENERATIONS, ...COLORS];
  const names = [...new Set(chart.rows.map(({ name }) => name))];
  return draw(`${chart.title}: ${chart.unit}`, chart.parts.length > 1 ? legend(chart.parts, colors) : [], {
    marginTop: 60,
    marginLeft: 50,
    marginRight: 20,
    marginBottom: 45,
    height: 105 + 150 * names.length,
    x: { label: 'seconds since the restart began', labelAnchor: 'center', labelArrow: 'none' },
    y: { label: null, grid: true, zero: true, ticks: 4 },
    fy: { label: null, domain: names, axis: null },
    marks: [
      Plot.rectY(chart.rows, {
        fy: 'name',
        x1: ({ at }: Slice) => at - chart.slice,
        x2: 'at',
        y: 'value',
        inset: 0.4,
        fill: ({ part }: Slice) => colors[chart.parts.indexOf(part)],
      }),
      Plot.text(names, {
        fy: (name: string) => name,
        text: (name: string) => name,
        frameAnchor: 'top-left',
        dx: 4,
        dy: -12,
        fontWeight: 'bold',
      }),
      Plot.ruleX([0], { strokeDasharray: '3 3' }),
      Plot.ruleY([0]),
    ],
  });
}

/** One point of a curve. */
export interface Point {
  /** Which of the pictures. */
  name: string;
  x: number;
  y: number;
}

/** Draws curves beside each other; what they share is the height, and both scales grow by factors. */
export function curves(chart: { title: string; unit: string; rows: Point[] }): string {
  const names = [...new Set(chart.rows.map(({ name }) => name))];
  const width = WIDTH / names.length;
  const heights = chart.rows.map(({ y }) => Math.log10(y));
  const domain = [10 ** Math.floor(Math.min(...heights)), 10 ** Math.ceil(Math.max(...heights))];
  const plots = names.map((name) => {
    const rows = chart.rows.filter((row) => row.name === name);
    return plot({
      width,
      height: 260,
      marginTop: 45,
      marginBottom: 45,
      x: { type: 'log', label: name, labelAnchor: 'center', labelArrow: 'none', ticks: 3, tickFormat: 'd' },
      y: { type: 'log', label: null, domain, grid: true, ticks: 4, tickFormat: 'd' },
      marks: [
        Plot.lineY(rows, { x: 'x', y: 'y', stroke: GENERATIONS[0] as string }),
        Plot.dotY(rows, { x: 'x', y: 'y', fill: GENERATIONS[0] as string }),
      ],
    });
  });
  return page(
    `${chart.title}: ${chart.unit}`,
    260,
    plots.map((each, index) => `<g transform="translate(${index * width},0)">${each.innerHTML}</g>`),
  );
}

function draw(title: string, above: string[], options: Plot.PlotOptions): string {
  const { innerHTML } = plot({ width: WIDTH, ...options });
  return page(title, options.height ?? 400, [innerHTML, ...above]);
}

function plot(options: Plot.PlotOptions): { innerHTML: string } {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  return Plot.plot({ ...options, document }) as unknown as { innerHTML: string };
}

function page(title: string, height: number, content: string[]): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" class="bench" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" ` +
    `font-size="12" fill="currentColor" text-anchor="middle" role="img" aria-label="${title}">\n<style>${STYLE}</style>\n` +
    `<text x="10" y="18" font-size="15" font-weight="bold" text-anchor="start">${title}</text>\n${content.join('\n')}\n</svg>\n`
  );
}

function legend(parts: readonly string[], colors: readonly string[]): string[] {
  let x = 10;
  return parts.map((part, index) => {
    const entry =
      `<rect x="${x}" y="27" width="11" height="11" fill="${colors[index]}"/>` +
      `<text x="${x + 16}" y="36.5" text-anchor="start">${part}</text>`;
    x += 34 + 7 * part.length;
    return entry;
  });
}
