import { setTimeout as delay } from 'node:timers/promises';
import { freePort, type Program, startProgram } from '@endless/testkit';
import { firstAnswer } from './first-answer.js';
import { type Options, scaled } from './options.js';
import { fixture } from './server-process.js';
import { type Estimate, median, medianDifference } from './statistics.js';

/** SIGHUP to the first answer of the new process, beside spawn to the first answer of the same program. */
export async function restart(options: Options): Promise<boolean> {
  const runs = scaled(options, { full: 30, quick: 6, smoke: 1 });
  const results: Result[] = [];
  for (const [name, file] of PROGRAMS.filter(([name]) => name.startsWith(options.only))) {
    const times = await measure(fixture(file), runs);
    results.push(resultOf(name, times));
    console.error(`${name}: ${times.restarts.length} restarts`);
  }
  options.report.table(TITLES, results.map(rowOf));
  options.report.raw(results);
  return results.every(({ holds }) => holds);
}

const PROGRAMS = [
  ['http, endless.listen', 'restart-http.js'],
  ['Express, app.use(endless())', 'restart-express.js'],
] as const;
/** Runs that do not count: until then the file cache is cold. */
const WARM_UP_RUNS = 2;
/** Lets the machine come to rest after processes have ended. */
const REST = 100;

interface Times {
  spawns: number[];
  restarts: number[];
}

/** A chain of restarts, one generation a run, and beside it a fresh start of the same file in each run, in turn. */
async function measure(file: string, runs: number): Promise<Times> {
  const times: Times = { spawns: [], restarts: [] };
  const port = await freePort();
  const chain = startProgram(file, { env: { PORT: String(port) } });
  try {
    let { pid } = await firstAnswer(port, 0);
    const timeRestart = async (generation: number) => {
      if (!chain.pids().includes(pid)) throw new Error(`${pid} is no process of the chain.`);
      const began = performance.now();
      process.kill(pid, 'SIGHUP');
      const answerer = await firstAnswer(port, generation);
      const time = performance.now() - began;
      pid = answerer.pid;
      await chain.waitForPids(1);
      return time;
    };
    for (let run = 1; run <= WARM_UP_RUNS + runs; run++) {
      const steps = [
        async () => times.restarts.push(await timeRestart(run)),
        async () => times.spawns.push(await timeSpawn(file)),
      ];
      for (const step of run % 2 === 0 ? steps : steps.reverse()) {
        await delay(REST);
        await step();
      }
    }
  } catch (error) {
    throw new Error(`A measurement failed; the program wrote:\n${chain.output}`, { cause: error });
  } finally {
    await chain.stop();
  }
  return { spawns: times.spawns.slice(WARM_UP_RUNS), restarts: times.restarts.slice(WARM_UP_RUNS) };
}

async function timeSpawn(file: string): Promise<number> {
  const port = await freePort();
  let program: Program | undefined;
  try {
    const began = performance.now();
    program = startProgram(file, { env: { PORT: String(port) } });
    await firstAnswer(port, 0);
    return performance.now() - began;
  } finally {
    await program?.stop();
  }
}

interface Result {
  name: string;
  runs: number;
  spawn: number;
  restart: number;
  difference: Estimate;
  limit: number;
  holds: boolean;
}

function resultOf(name: string, { spawns, restarts }: Times): Result {
  const spawn = median(spawns);
  const restart = median(restarts);
  const limit = Math.max(1.15 * spawn, spawn + 25);
  const difference = medianDifference(restarts, spawns);
  return { name, runs: restarts.length, spawn, restart, difference, limit, holds: restart <= limit };
}

const TITLES = [
  'program',
  'runs',
  'spawn ms',
  'restart ms',
  'difference',
  '95 % interval',
  'limit ms',
  'holds',
];

function rowOf({ name, runs, spawn, restart, difference, limit, holds }: Result): string[] {
  return [
    name,
    String(runs),
    spawn.toFixed(1),
    restart.toFixed(1),
    difference.value.toFixed(1),
    `${difference.low.toFixed(1)} to ${difference.high.toFixed(1)}`,
    limit.toFixed(1),
    holds ? 'yes' : 'NO',
  ];
}
