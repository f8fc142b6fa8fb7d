import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort, type Program, startProgram } from '@endless/testkit';
import { type Options, scaled } from './options.js';
import type { Command } from './paced-load.js';
import { fixture } from './server-process.js';
import { median, range } from './statistics.js';

const CONNECTIONS = 50;
/** How long is looked at, from the moment at which a process is asked to restart, or a copy is started. */
const WINDOW = 2_500;
/** Time in which a process that is new gets warm. */
const REST = 1_000;
/** Of the machine's capacity. */
const SHARE = 0.5;
const LIMIT = 1.2;
const TITLES = [
  'program',
  'while',
  'requests /s',
  'runs',
  'p99 ms',
  'beside that of a copy',
  'upper quartile',
  'limit',
  'holds',
];

/** The 99th percentile of the latency during a restart, beside that while a copy of the program starts on another port. */
export async function latency(options: Options): Promise<boolean> {
  const rows: string[][] = [];
  const raw: Record<string, unknown> = {};
  let holds = true;
  for (const [name, file] of Object.entries({
    'node:http': fixture('latency-http.js'),
    Express: fixture('latency-express.js'),
  })) {
    const { rate, restarts, copies, others } = await measure(file, options);
    const upper = quartile(ratiosOf(restarts, copies));
    holds &&= upper <= LIMIT;
    rows.push(
      [name, ...cellsOf('a restart', rate, restarts, copies), `≤ ${LIMIT}`, upper <= LIMIT ? 'yes' : 'NO'],
      [name, ...cellsOf('another copy starts', rate, others, copies), 'none', ''],
    );
    raw[name] = { rate, restarts, copies, others };
  }
  options.report.table(TITLES, rows);
  options.report.raw(raw);
  return holds;
}

/** What was measured of one program: for each run the median of the 99th percentiles of a few turns, in milliseconds. */
interface Measured {
  /** Requests a second. */
  rate: number;
  restarts: number[];
  copies: number[];
  others: number[];
}

async function measure(file: string, options: Options): Promise<Measured> {
  const port = await freePort();
  const program = startProgram(file, { env: { PORT: String(port) } });
  const load = new Load();
  try {
    await program.waitFor('listening');
    await load.tell({ type: 'open', port, connections: CONNECTIONS });
    const ms = scaled(options, { full: 3_000, quick: 3_000, smoke: 200 });
    await load.tell({ type: 'capacity', ms });
    const rate = (await load.tell({ type: 'capacity', ms })) * SHARE;
    await load.tell({ type: 'pace', rate });
    const measured: Measured = { rate, restarts: [], copies: [], others: [] };
    const runs = scaled(options, { full: 20, quick: 2, smoke: 1 });
    const turns = scaled(options, { full: 3, quick: 1, smoke: 1 });
    for (let run = 0; run < runs; run++) {
      const p99: Record<'restarts' | 'copies' | 'others', number[]> = {
        restarts: [],
        copies: [],
        others: [],
      };
      for (let turn = 0; turn < turns; turn++) {
        const steps = [
          async () => p99.restarts.push(await during(load, () => restartOf(program))),
          async () => p99.copies.push(await during(load, () => startCopy(file))),
          async () => p99.others.push(await during(load, () => startCopy(file))),
        ];
        for (let step = 0; step < steps.length; step++)
          await steps[(run * turns + turn + step) % steps.length]?.();
      }
      for (const kind of ['restarts', 'copies', 'others'] as const) measured[kind].push(median(p99[kind]));
    }
    return measured;
  } finally {
    load.stop();
    await program.stop();
  }
}

function ratiosOf(these: readonly number[], those: readonly number[]): number[] {
  return these.map((value, run) => value / (those[run] ?? Number.NaN));
}

function cellsOf(name: string, rate: number, these: readonly number[], copies: readonly number[]): string[] {
  const ratios = ratiosOf(these, copies);
  return [
    name,
    rate.toFixed(0),
    String(these.length),
    range(these, 1),
    median(ratios).toFixed(2),
    quartile(ratios).toFixed(2),
  ];
}

/** The load as a process of its own. */
class Load {
  readonly #child = fork(fileURLToPath(new URL('./paced-load.js', import.meta.url)));
  readonly #ended = new AbortController();

  constructor() {
    this.#child.once('exit', () => this.#ended.abort(new Error('The load ended.')));
  }

  /** Resolves with its answer. */
  async tell(command: Command): Promise<number> {
    this.#child.send(command);
    const [answer] = await once(this.#child, 'message', { signal: this.#ended.signal });
    return answer as number;
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Does something, and resolves with the 99th percentile of the latency meanwhile; ends what it has started. */
async function during(load: Load, begin: () => Promise<Program | undefined>): Promise<number> {
  await delay(REST);
  await load.tell({ type: 'mark' });
  const started = begin();
  await delay(WINDOW);
  const p99 = await load.tell({ type: 'p99' });
  await (await started)?.stop();
  return p99;
}

async function restartOf(program: Program): Promise<undefined> {
  program.signal('SIGHUP', newestOf(program));
}

function newestOf({ stdout }: Program): number {
  return Number([...stdout.matchAll(/listening (\d+)/g)].at(-1)?.[1]);
}

async function startCopy(file: string): Promise<Program> {
  const copy = startProgram(file, { env: { PORT: String(await freePort()) } });
  await copy.waitFor('listening');
  return copy;
}

/** Three quarters are not above it. */
function quartile(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.ceil(sorted.length * 0.75) - 1] ?? Number.NaN;
}
