import { setTimeout as delay } from 'node:timers/promises';
import { startLoad } from '@endless/testkit';
import { bars } from './charts.js';
import { type Options, scaled } from './options.js';
import { median } from './statistics.js';
import { allWays, type Way } from './ways.js';

/** Requests that restarts lose, and connections that they make clients open, under load that forgives nothing. */
export async function losses(options: Options): Promise<boolean> {
  const { report, only, seed } = options;
  const scale = scaled(options, {
    full: { restarts: 20, soak: 500 },
    quick: { restarts: 4, soak: 300 },
    smoke: { restarts: 1, soak: 100 },
  });
  const results: Result[] = [];
  for (const way of (await allWays(seed)).filter(({ name }) => name.startsWith(only))) {
    if (way.missing !== undefined) {
      report.note(`${way.name} is not measured: ${way.missing}.`);
      continue;
    }
    results.push(await measure(way, scale));
    console.error(`${way.name}: ${scale.restarts} restarts`);
  }

  report.table(TITLES, results.map(rowOf));
  report.note(
    `${CONNECTIONS} clients, one request after the other on a kept-alive connection, ${THINK_TIME} ms apart on average; every ` +
      `twentieth request takes 100 ms. Lost: refused, reset, cut, or not answered within 5 s. No request is tried again; a ` +
      `client that has lost one sends its next ${LOSS_PAUSE} ms later.`,
  );
  report.raw({ connections: CONNECTIONS, thinkTime: THINK_TIME, ...scale, results });
  report.chart(
    bars({
      title: 'Requests lost by a restart',
      unit: `lost requests a restart, mean of ${scale.restarts}`,
      parts: ['lost'],
      rows: results.map(({ name, lost }) => ({ name, part: 'lost', value: lost / scale.restarts })),
    }),
    'lost',
  );
  report.chart(
    bars({
      title: 'Connections that clients had to open because of a restart',
      unit: `connections opened a restart, mean of ${scale.restarts}`,
      parts: ['opened'],
      rows: results.map(({ name, opened }) => ({ name, part: 'opened', value: opened / scale.restarts })),
    }),
    'opened',
  );
  return results.every(({ name, lost, opened }) => name !== 'endless' || (lost === 0 && opened === 0));
}

/** What the clients of this benchmark and of the timeline ask, one after the other. */
export const CONNECTIONS = 32;
const THINK_TIME = 10;
const LOSS_PAUSE = 100;
export const LOAD = {
  connections: CONNECTIONS,
  mode: 'keep-alive',
  lossPause: LOSS_PAUSE,
  thinkTime: () => 2 * THINK_TIME * Math.random(),
  request: (n: number) => ({ target: n % 20 === 0 ? '/slow' : '/' }),
  label: ({ headers }: { headers: Record<string, string> }) => headers['x-process'] ?? 'unknown',
} as const;

interface Result {
  name: string;
  restarts: number;
  requests: number;
  lost: number;
  lostBy: Record<string, number>;
  /** Connections beyond the first of each client. */
  opened: number;
  /** Milliseconds of each restart until the first answer of a new process. */
  times: number[];
}

async function measure(way: Way, { restarts, soak }: { restarts: number; soak: number }): Promise<Result> {
  const server = await way.start();
  const known = new Set<string>();
  let began = 0;
  let time: number | undefined;
  const load = startLoad({
    ...LOAD,
    port: server.port,
    onResponse({ headers }) {
      const pid = headers['x-process'] ?? 'unknown';
      if (!known.has(pid)) time ??= performance.now() - began;
      known.add(pid);
    },
  });
  const times: number[] = [];
  try {
    await delay(soak);
    for (let restart = 0; restart < restarts; restart++) {
      began = performance.now();
      time = undefined;
      await server.restart();
      await delay(soak);
      if (time !== undefined) times.push(time);
    }
  } finally {
    await load.stop();
    await server.stop();
  }
  return {
    name: way.name,
    restarts,
    requests: load.requests,
    lost: load.lostCount,
    lostBy: Object.fromEntries(load.lostBy),
    opened: load.opened - CONNECTIONS,
    times,
  };
}

const TITLES = [
  'restarted by',
  'restarts',
  'requests',
  'lost',
  'of these',
  'connections opened',
  'new process answers after ms',
];

function rowOf({ name, restarts, requests, lost, lostBy, opened, times }: Result): string[] {
  return [
    name,
    String(restarts),
    String(requests),
    String(lost),
    Object.entries(lostBy)
      .map(([reason, count]) => `${count} ${reason}`)
      .join(', ') || 'none',
    String(opened),
    times.length > 0 ? median(times).toFixed(0) : 'unknown',
  ];
}
