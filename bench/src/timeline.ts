import { setTimeout as delay } from 'node:timers/promises';
import { startLoad } from '@endless/testkit';
import { type Slice, timelines } from './charts.js';
import { LOAD } from './losses.js';
import { type Options, scaled } from './options.js';
import { ENDLESS, PLAIN_RESTART, type Way } from './ways.js';

/** One restart in slices of 100 ms: who answers how many requests, how late, and how many are lost. */
export async function timeline(options: Options): Promise<boolean> {
  const { report, only } = options;
  const around = scaled(options, { full: 3_000, quick: 1_500, smoke: 300 });
  const results: Result[] = [];
  for (const way of [ENDLESS, PLAIN_RESTART].filter(({ name }) => name.startsWith(only)))
    results.push(await measure(way, around));

  report.table(TITLES, results.map(rowOf));
  report.note(
    `One restart each, in slices of ${SLICE} ms, under the same load as in the benchmark of losses.`,
  );
  report.raw({ slice: SLICE, results });
  const rows = (select: (slice: Moment) => [part: string, value: number][]) =>
    results.flatMap(({ name, slices }) =>
      slices.flatMap((slice): Slice[] =>
        select(slice).map(([part, value]) => ({ name, at: slice.at / 1000, part, value })),
      ),
    );
  report.chart(
    timelines({
      title: 'One restart under load',
      unit: 'requests per second',
      slice: SLICE / 1000,
      parts: ['old process', 'new process', 'lost'],
      rows: rows(({ old, young, lost }) => [
        ['old process', old * PER_SECOND],
        ['new process', young * PER_SECOND],
        ['lost', lost * PER_SECOND],
      ]),
    }),
    'requests',
  );
  report.chart(
    timelines({
      title: 'One restart under load, latency',
      unit: 'p99 in ms of the requests that take no time',
      slice: SLICE / 1000,
      parts: ['p99'],
      rows: rows(({ p99 }) => [['p99', p99]]),
    }),
    'latency',
  );
  return results.every(({ name, slices }) => name !== 'endless' || slices.every(({ lost }) => lost === 0));
}

const SLICE = 100;
const PER_SECOND = 1000 / SLICE;

interface Moment {
  /** Milliseconds from the beginning of the restart to the end of the slice. */
  at: number;
  old: number;
  young: number;
  lost: number;
  p99: number;
}

interface Result {
  name: string;
  slices: Moment[];
}

interface Answer {
  at: number;
  pid: string;
  latency: number;
}

async function measure(way: Way, around: number): Promise<Result> {
  const server = await way.start();
  const answers: Answer[] = [];
  const loadBegan = performance.now();
  const load = startLoad({
    ...LOAD,
    port: server.port,
    onResponse({ headers, request: { target }, latencyMs }) {
      const latency = target === '/slow' ? 0 : latencyMs;
      answers.push({ at: performance.now(), pid: headers['x-process'] ?? 'unknown', latency });
    },
  });
  let began: number;
  let ended: number;
  try {
    // A new process and its clients need a moment to be at their usual pace.
    await delay(2 * around);
    began = performance.now();
    await server.restart();
    await delay(around);
    // From here on fewer and fewer clients ask.
    ended = performance.now();
  } finally {
    await load.stop();
    await server.stop();
  }
  const old = answers[0]?.pid;
  const slices: Moment[] = [];
  for (let from = began - around; from + SLICE <= ended; from += SLICE) {
    const isIn = (at: number) => at >= from && at < from + SLICE;
    const mine = answers.filter(({ at }) => isIn(at));
    slices.push({
      at: Math.round(from + SLICE - began),
      old: mine.filter(({ pid }) => pid === old).length,
      young: mine.filter(({ pid }) => pid !== old).length,
      lost: load.lost.filter(({ at }) => isIn(loadBegan + at)).length,
      p99: p99(mine.map(({ latency }) => latency).filter((latency) => latency > 0)),
    });
  }
  return { name: way.name, slices };
}

function p99(values: number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.ceil(0.99 * sorted.length) - 1] ?? 0;
}

const TITLES = [
  'restarted by',
  'requests/s before',
  'fewest in a slice, as requests/s',
  'p99 before ms',
  'worst p99 in a slice ms',
  'lost',
];

function rowOf({ name, slices }: Result): string[] {
  const before = slices.filter(({ at }) => at <= 0);
  const after = slices.filter(({ at }) => at > 0);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const answered = ({ old, young }: Moment) => (old + young) * PER_SECOND;
  return [
    name,
    mean(before.map(answered)).toFixed(0),
    Math.min(...after.map(answered)).toFixed(0),
    mean(before.map(({ p99 }) => p99)).toFixed(1),
    Math.max(...after.map(({ p99 }) => p99)).toFixed(1),
    String(slices.reduce((sum, { lost }) => sum + lost, 0)),
  ];
}
