import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { freePort, startLoad, startProgram } from '@endless/testkit';
import { type Options, scaled } from './options.js';
import { fixture } from './server-process.js';
import { median } from './statistics.js';

/** Connections per second that go to the new process, beside the naive way of sending them. */
export async function migrate(options: Options): Promise<boolean> {
  const runs = scaled(options, { full: 7, quick: 2, smoke: 1 });
  const share = scaled(options, { full: 1, quick: 1, smoke: 0.1 });
  const results: Result[] = [];
  for (const scenario of SCENARIOS.filter(({ name }) => name.startsWith(options.only))) {
    const naive: number[] = [];
    const endless: number[] = [];
    for (let run = 0; run < runs; run++) {
      const steps = [
        async () => naive.push(await measure('migrate-naive.js', scenario, share)),
        async () => endless.push(await measure('migrate-endless.js', scenario, share)),
      ];
      for (const step of run % 2 === 0 ? steps : steps.reverse()) await step();
    }
    const ratio = median(endless) / median(naive);
    results.push({ scenario, naive, endless, ratio, holds: ratio >= scenario.limit });
    console.error(`${scenario.name}: ${runs} runs of each`);
  }
  options.report.table(TITLES, results.map(rowOf));
  options.report.note(`The naive way:\n\n${readFileSync(fixture('move-one-by-one.js'), 'utf8')}`);
  options.report.raw(results);
  return results.every(({ holds }) => holds);
}

interface Scenario {
  name: string;
  idle: number;
  /** Connections that ask one question after the other without a pause. */
  busy: number;
  /** At least so many times as fast. */
  limit: number;
  /** The old process is stopped as soon as it has handed over, so that busy connections wait for no slow start. */
  hurry?: boolean;
}

const SCENARIOS: readonly Scenario[] = [
  { name: '10,000 idle', idle: 10_000, busy: 0, limit: 1.3 },
  { name: '2,000 idle beside 50 busy', idle: 2_000, busy: 50, limit: 3 },
  { name: '50 busy, in a hurry', idle: 0, busy: 50, limit: 3, hurry: true },
];

/** Milliseconds that busy connections are given to be at full speed. */
const WARM_UP = 1_000;
const PATIENCE = 60_000;

/** Connections per second. */
async function measure(file: string, scenario: Scenario, share: number): Promise<number> {
  const port = await freePort();
  const { busy, hurry } = scenario;
  const idle = Math.round(scenario.idle * share);
  // Where there are idle ones, they are what is counted.
  const count = idle || busy;
  const program = startProgram(fixture(file), {
    env: { PORT: String(port), CONNECTIONS: String(count), ...(hurry && { HURRY: '1' }) },
  });
  const sockets: Socket[] = [];
  try {
    await program.waitFor('listening');
    while (sockets.length < idle)
      sockets.push(...(await Promise.all(Array.from({ length: Math.min(250, idle) }, () => open(port)))));
    const load = busy > 0 ? startLoad({ port, connections: busy, mode: 'keep-alive' }) : undefined;
    await new Promise((resolve) => setTimeout(resolve, WARM_UP));
    program.signal('SIGHUP');
    const [, ms] = await program.waitFor(/moved \d+ in ([\d.]+) ms/, { timeout: PATIENCE });
    const report = await load?.stop();
    if (report && report.lostCount > 0) throw new Error(`${report.lostCount} requests were lost.`);
    return (count / Number(ms)) * 1_000;
  } catch (error) {
    throw new Error(`A measurement failed; the program wrote:\n${program.output}`, { cause: error });
  } finally {
    for (const socket of sockets) socket.destroy();
    await program.stop();
  }
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket)).once('error', reject);
  });
}

interface Result {
  scenario: Scenario;
  naive: number[];
  endless: number[];
  ratio: number;
  holds: boolean;
}

const TITLES = ['connections', 'runs', 'naive /s', 'endless /s', 'ratio', 'limit', 'holds'];

function rowOf({ scenario, naive, endless, ratio, holds }: Result): string[] {
  return [
    scenario.name,
    String(naive.length),
    median(naive).toFixed(0),
    median(endless).toFixed(0),
    ratio.toFixed(2),
    `≥ ${scenario.limit}`,
    holds ? 'yes' : 'NO',
  ];
}
