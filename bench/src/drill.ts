import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { startLoad } from '@endless/testkit';
import { HTTP } from './contenders.js';
import { type Options, scaled } from './options.js';
import { cpuTimeOf, residentSize } from './processes.js';
import { ServerProcess } from './server-process.js';
import { range } from './statistics.js';
import { ENDLESS } from './supervised.js';

/** What a drill needs itself, and what the clients of its server notice of that. */
export async function drill(options: Options): Promise<boolean> {
  const { report } = options;
  const effort = scaled(options, { full: FULL, quick: QUICK, smoke: SMOKE });
  const runs: Run[] = [];
  for (let run = 0; run < effort.runs; run++) {
    runs.push(await measure(effort.seconds));
    console.error(`run ${run + 1} of ${effort.runs}`);
  }
  const of = (what: keyof Run, digits: number) =>
    range(
      runs.map((run) => run[what]),
      digits,
    );
  report.table(TITLES, [
    [
      'nothing',
      String(runs.length),
      '',
      '',
      '',
      '',
      of('serverAlone', 1),
      of('p50Alone', 2),
      of('p99Alone', 2),
    ],
    [
      ...['a drill', String(runs.length), of('rate', 0), of('cpu', 1), of('megabytes', 0), of('lost', 0)],
      ...[of('server', 1), of('p50', 2), of('p99', 2)],
    ],
  ]);
  report.note(
    'A drill with its default clients, whose command does nothing, asks a plain `node:http` server. Another client asks it ' +
      `on a kept-alive connection, ${PAUSE} ms after each response. A percentage is that of one core.`,
  );
  report.raw(runs);
  return runs.every(({ lost }) => lost === 0);
}

interface Effort {
  runs: number;
  /** For how many seconds each run measures without the drill, and with it. */
  seconds: number;
}

const FULL: Effort = { runs: 5, seconds: 10 };
const QUICK: Effort = { runs: 2, seconds: 5 };
const SMOKE: Effort = { runs: 1, seconds: 1 };

/** Milliseconds between a response to the client beside the drill and its next request. */
const PAUSE = 5;
/** Milliseconds after which the drill has loaded its code and opened its connections. */
const START = 1_500;

/** One run; percentages are of one core, latencies are milliseconds. */
interface Run {
  /** Requests per second of the drill. */
  rate: number;
  lost: number;
  cpu: number;
  megabytes: number;
  serverAlone: number;
  server: number;
  p50Alone: number;
  p99Alone: number;
  p50: number;
  p99: number;
}

async function measure(seconds: number): Promise<Run> {
  const server = await ServerProcess.start(HTTP);
  let child: ChildProcess | undefined;
  try {
    // What runs for the first time is slow.
    await observe(server, WARM_UP);
    const alone = await observe(server, seconds);
    const words = ['--url', `http://127.0.0.1:${server.port}/`, '--do', 'true', '--times', '1', '--json'];
    // The drill outlives what is measured beside it.
    const every = `${(seconds * 1_000 + START) / 2 + 500}ms`;
    child = spawn(process.execPath, [ENDLESS, 'drill', ...words, '--every', every], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const printed = textOf(child);
    await delay(START);
    const { pid = -1 } = child;
    const before = cpuTimeOf(pid);
    const began = performance.now();
    const beside = await observe(server, seconds);
    const cpu = (cpuTimeOf(pid) - before) / 10 / (performance.now() - began);
    const megabytes = residentSize(pid) / 1_024;
    const { requests, durationMs, lost } = JSON.parse(await printed) as Drilled;
    return {
      ...{ rate: (requests / durationMs) * 1_000, lost: lost + alone.lost + beside.lost, cpu, megabytes },
      ...{ serverAlone: alone.cpu, p50Alone: alone.p50, p99Alone: alone.p99 },
      ...{ server: beside.cpu, p50: beside.p50, p99: beside.p99 },
    };
  } finally {
    child?.kill('SIGKILL');
    await server.stop();
  }
}

const WARM_UP = 0.5;

/** What the JSON of a drill has, as far as it matters here. */
interface Drilled {
  requests: number;
  durationMs: number;
  lost: number;
}

async function textOf(child: ChildProcess): Promise<string> {
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk;
  });
  await once(child, 'close');
  return text;
}

interface Observed {
  cpu: number;
  lost: number;
  p50: number;
  p99: number;
}

/** Asks the server for so many seconds. */
async function observe(server: ServerProcess, seconds: number): Promise<Observed> {
  const before = await server.cpuTime();
  const began = performance.now();
  const load = startLoad({
    ...{ port: server.port, connections: 1, mode: 'keep-alive', recordLatency: true },
    thinkTime: () => PAUSE,
  });
  await delay(seconds * 1_000);
  const { latencies, lostCount } = await load.stop();
  const cpu = ((await server.cpuTime()) - before) / 10 / (performance.now() - began);
  const sorted = [...latencies].sort((one, other) => one - other);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;
  return { cpu, lost: lostCount, p50: at(0.5), p99: at(0.99) };
}

const TITLES = [
  'beside the server',
  'runs',
  'its requests/s',
  'its CPU %',
  'its memory MB',
  'lost',
  'CPU % of the server',
  'p50 of a client ms',
  'p99 of a client ms',
];
