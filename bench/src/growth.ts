import { setTimeout as delay } from 'node:timers/promises';
import { freePort, startProgram } from '@endless/testkit';
import { curves, type Point } from './charts.js';
import { mostConnections, openCrowd } from './crowd.js';
import { firstAnswer } from './first-answer.js';
import { type Options, scaled } from './options.js';
import { isGone, residentSize } from './processes.js';
import { fixture } from './server-process.js';
import { median, range } from './statistics.js';

/** What a restart takes with more sockets, more connections, and after more restarts. */
export async function growth(options: Options): Promise<boolean> {
  const { report, only } = options;
  const scale = scaled(options, {
    full: { runs: 7, sockets: [1, 10, 100], connections: [100, 1_000, 10_000], generations: 100 },
    quick: { runs: 2, sockets: [1, 10, 100], connections: [100, 1_000, 4_000], generations: 20 },
    smoke: { runs: 1, sockets: [1, 3], connections: [5, 10], generations: 4 },
  });
  const most = mostConnections();
  const connections = scale.connections.map((size) => Math.min(size, most));
  if (Math.max(...scale.connections) > most)
    report.note(`No more than ${most} connections: the limit of open files.`);

  const results: Result[] = [];
  const grow = async (name: string, measure: () => Promise<Series>) => {
    if (!name.startsWith(only)) return;
    results.push(resultOf(name, await measure()));
    console.error(name);
  };
  await grow('listening sockets', () =>
    series(scale.sockets, async (count) => (await chain(count, 0, scale.runs)).map(({ answer }) => answer)),
  );
  await grow('live connections', () =>
    series(connections, async (count) => (await chain(1, count, scale.runs)).map(({ gone }) => gone)),
  );
  let restarted: Restart[] = [];
  await grow('generations', async () => {
    restarted = await chain(1, 0, scale.generations);
    return byGeneration(restarted.map(({ answer }) => answer));
  });

  report.table(TITLES, results.map(rowOf));
  report.note(
    'The time of a restart: with sockets and after generations from SIGHUP to the first answer of the new process, with ' +
      'connections from SIGHUP until all of them have moved and the old process is gone; each connection is then asked, and ' +
      'must answer. Slope: added milliseconds for each one more, from the first to the last. Growth: the exponent from the ' +
      'middle to the last; 1 is linear, below is better.',
  );
  const [first, last] = [restarted[0], restarted.at(-1)];
  if (first && last) {
    const size = (restart: Restart) => `${(restart.size / 1024).toFixed(1)} MiB`;
    report.note(
      `The first of ${restarted.length} generations has ${size(first)} resident, the last ${size(last)}.`,
    );
  }
  report.raw({ ...scale, connections, results, byGeneration: restarted });
  report.chart(
    curves({
      title: 'How a restart grows',
      unit: 'milliseconds',
      rows: results.flatMap(({ name, values }): Point[] =>
        values.map(({ size, times }) => ({ name, x: size, y: median(times) })),
      ),
    }),
  );
  return results.every(({ holds }) => holds);
}

/** Linear, and what a clock adds to it. */
const MOST = 1.1;

type Series = { size: number; times: number[] }[];

interface Result {
  name: string;
  values: Series;
  slope: number;
  exponent: number;
  holds: boolean;
}

interface Restart {
  /** Milliseconds from SIGHUP to the first answer of the new process, ... */
  answer: number;
  /** ... and to the end of the old one. */
  gone: number;
  /** KiB that the new process has resident then. */
  size: number;
}

async function series(
  sizes: readonly number[],
  measure: (size: number) => Promise<number[]>,
): Promise<Series> {
  const result: Series = [];
  for (const size of sizes) result.push({ size, times: await measure(size) });
  return result;
}

/** The restarts of a chain, in groups: the first, the middle, the last. */
function byGeneration(times: readonly number[]): Series {
  const group = Math.max(1, Math.floor(times.length / 10));
  const from = (start: number) => ({ size: start + group / 2, times: times.slice(start, start + group) });
  return [from(0), from(Math.floor((times.length - group) / 2)), from(times.length - group)];
}

/** Restarts a program so many times, one generation after the other. */
async function chain(sockets: number, connections: number, restarts: number): Promise<Restart[]> {
  const ports: number[] = [];
  for (let count = 0; count < sockets; count++) ports.push(await freePort());
  const port = ports[0] as number;
  const program = startProgram(fixture('growth.js'), { env: { PORTS: ports.join() } });
  const crowd: Awaited<ReturnType<typeof openCrowd>> = [];
  try {
    let { pid } = await firstAnswer(port, 0);
    crowd.push(...(await openCrowd(port, connections)));
    const result: Restart[] = [];
    // The first one does not count: the file cache is cold.
    for (let generation = 1; generation <= restarts + 1; generation++) {
      await delay(REST);
      const began = performance.now();
      program.signal('SIGHUP', pid);
      const answerer = await firstAnswer(port, generation);
      const answer = performance.now() - began;
      await isGone(pid, PATIENCE);
      const gone = performance.now() - began;
      pid = answerer.pid;
      if (generation > 1) result.push({ answer, gone, size: residentSize(pid) });
    }
    const answers = await Promise.all(
      crowd.map((customer) => customer.ask('GET / HTTP/1.1\r\nHost: bench\r\n\r\n')),
    );
    const lost = answers.filter((answer) => !answer?.includes(` ${pid}\r\n`)).length;
    if (lost > 0) throw new Error(`${lost} of ${connections} connections have not moved.`);
    return result;
  } catch (error) {
    throw new Error(`A measurement failed; the program wrote:\n${program.output}`, { cause: error });
  } finally {
    for (const customer of crowd) customer.close();
    await program.stop();
  }
}

/** Lets the machine come to rest after a process has ended. */
const REST = 50;
const PATIENCE = 40_000;

function resultOf(name: string, values: Series): Result {
  const points = values.map(({ size, times }) => ({ size, time: median(times) }));
  const [first, middle, last] = [points[0], points.at(-2), points.at(-1)];
  if (!first || !middle || !last) throw new Error('A series without two points.');
  const exponent = Math.log(last.time / middle.time) / Math.log(last.size / middle.size);
  return {
    name,
    values,
    slope: (last.time - first.time) / (last.size - first.size),
    exponent,
    holds: exponent <= MOST,
  };
}

const TITLES = ['more', 'runs', 'sizes', 'ms', 'slope ms', 'growth', 'limit', 'holds'];

function rowOf({ name, values, slope, exponent, holds }: Result): string[] {
  return [
    name,
    String(values[0]?.times.length),
    values.map(({ size }) => size.toLocaleString('en-US')).join(', '),
    values.map(({ times }) => range(times)).join(', '),
    slope.toFixed(3),
    exponent.toFixed(2),
    `<= ${MOST}`,
    holds ? 'yes' : 'NO',
  ];
}
