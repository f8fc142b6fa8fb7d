import { setTimeout as delay } from 'node:timers/promises';
import { bars } from './charts.js';
import { Customer, mostConnections, openCrowd } from './crowd.js';
import { type Options, scaled } from './options.js';
import { type Contender, ServerProcess } from './server-process.js';
import { median, range } from './statistics.js';

/** What a SIGTERM costs the clients of a server with many idle connections and some slow requests. */
export async function shutdown(options: Options): Promise<boolean> {
  const { report } = options;
  const scale = scaled(options, {
    full: { runs: 3, idle: 10_000, slow: 100, spread: 5_000 },
    quick: { runs: 1, idle: 2_000, slow: 100, spread: 2_000 },
    smoke: { runs: 1, idle: 50, slow: 5, spread: 300 },
  });
  const idle = Math.min(scale.idle, mostConnections() - scale.slow);
  if (idle < scale.idle)
    report.note(`${idle} idle connections, not ${scale.idle}: the limit of open files allows no more.`);

  const results: Result[] = WAYS.filter(([name]) => name.startsWith(options.only)).map(([name, file]) => ({
    name,
    contender: { file, env: timesOf(scale.spread) },
    runs: [],
  }));
  for (let run = 0; run < scale.runs; run++) {
    for (const { name, contender, runs } of results) {
      runs.push(await measure(contender, { ...scale, idle }));
      console.error(`${name}: run ${run + 1}`);
    }
  }

  report.table(TITLES, results.map(rowOf));
  report.note(
    `${idle} idle connections and ${scale.slow} requests of ${(scale.spread * 0.4) / 1000} s each, then SIGTERM; each idle ` +
      `client sends one POST at a random moment of the next ${scale.spread / 1000} s, on its connection, or on a new one if ` +
      'that was closed before. Cut: sent, and not answered. Refused: closed before, and no new one was to be had. ' +
      `An idle connection may stay for ${(scale.spread * KEPT) / 1000} s (\`keepAliveTimeout\`).`,
  );
  report.raw({ ...scale, idle, results: results.map(({ name, runs }) => ({ name, runs })) });
  report.chart(
    bars({
      title: `Requests lost by a shutdown with ${idle.toLocaleString('en-US')} idle connections`,
      unit: 'median of requests lost',
      parts: ['cut', 'refused'],
      rows: results.flatMap(({ name, runs }) => [
        { name, part: 'cut', value: median(runs.map(({ cut, slowLost }) => cut + slowLost)) },
        { name, part: 'refused', value: median(runs.map(({ refused }) => refused)) },
      ]),
    }),
  );
  return holds(results);
}

/** How many times as long as the clients take a server keeps an idle connection. */
const KEPT = 4;

/** Milliseconds, for the programs. Those that wait do so until the last client, whose clock may be late, has sent. */
function timesOf(spread: number): Record<string, string> {
  return { SLOW: String(spread * 0.4), DELAY: String(spread * 1.1), KEEP_ALIVE: String(spread * KEPT) };
}

/** Each as its README says; those that can wait before they close, also with that wait. */
const WAYS = [
  ['endless', 'peers/endless.js'],
  ['endless, idleGrace', 'peers/endless-grace.js'],
  ['plain server.close()', 'peers/plain.js'],
  ['stoppable', 'peers/stoppable.js'],
  ['http-terminator', 'peers/http-terminator.js'],
  ['http-graceful-shutdown', 'peers/http-graceful-shutdown.js'],
  ['http-graceful-shutdown, preShutdown', 'peers/http-graceful-shutdown-delay.js'],
  ['@godaddy/terminus', 'peers/terminus.js'],
  ['@godaddy/terminus, beforeShutdown', 'peers/terminus-delay.js'],
] as const;

interface Scale {
  idle: number;
  slow: number;
  spread: number;
}

interface Run {
  /** Milliseconds from the signal to the end of the process; undefined if it had to be killed. */
  exit: number | undefined;
  cut: number;
  refused: number;
  slowLost: number;
}

interface Result {
  name: string;
  contender: Contender;
  runs: Run[];
}

const POST = 'POST / HTTP/1.1\r\nHost: bench\r\nContent-Length: 2\r\n\r\nhi';
const SLOW = 'GET /slow HTTP/1.1\r\nHost: bench\r\n\r\n';
/** Until the slow requests are being worked on. */
const SETTLE = 100;
/** Longer than every deadline that the programs set. */
const PATIENCE = 40_000;

async function measure(contender: Contender, { idle, slow, spread }: Scale): Promise<Run> {
  const server = await ServerProcess.start(contender);
  const customers: Customer[] = [];
  try {
    customers.push(...(await openCrowd(server.port, idle)));
    const slowOnes = await openCrowd(server.port, slow);
    customers.push(...slowOnes);
    const slowAnswers = Promise.all(slowOnes.map((customer) => customer.ask(SLOW)));
    await delay(SETTLE);

    const began = performance.now();
    server.signal('SIGTERM');
    const posts = Promise.all(
      customers.slice(0, idle).map(async (customer) => {
        await delay(Math.random() * spread);
        return post(customer, server.port);
      }),
    );
    const exit = await Promise.race([
      server.exited.then(() => performance.now() - began),
      delay(PATIENCE, undefined, { ref: false }),
    ]);
    await server.stop();
    const outcomes = await posts;
    const count = (outcome: Outcome) => outcomes.filter((each) => each === outcome).length;
    return {
      exit,
      cut: count('cut'),
      refused: count('refused'),
      slowLost: (await slowAnswers).filter((answer) => answer === undefined).length,
    };
  } finally {
    await server.stop();
    for (const customer of customers) customer.close();
  }
}

type Outcome = 'answered' | 'cut' | 'refused';

async function post(customer: Customer, port: number): Promise<Outcome> {
  if (!customer.isClosed) return (await customer.ask(POST)) === undefined ? 'cut' : 'answered';
  try {
    const fresh = await Customer.connect(port);
    const answer = await fresh.ask(POST);
    fresh.close();
    return answer === undefined ? 'cut' : 'answered';
  } catch {
    return 'refused';
  }
}

const TITLES = ['server', 'runs', 'time to exit s', 'POSTs cut', 'POSTs refused', 'slow requests lost'];

function rowOf({ name, runs }: Result): string[] {
  const exits = runs.map(({ exit }) => exit ?? Number.POSITIVE_INFINITY);
  return [
    name,
    String(runs.length),
    range(
      exits.map((time) => time / 1000),
      2,
    ),
    range(runs.map(({ cut }) => cut)),
    range(runs.map(({ refused }) => refused)),
    range(runs.map(({ slowLost }) => slowLost)),
  ];
}

/** With time enough endless loses nothing, and by default no slow request; of those that lose nothing none is faster. */
function holds(results: readonly Result[]): boolean {
  const lost = ({ runs }: Result) =>
    runs.reduce((sum, { cut, refused, slowLost }) => sum + cut + refused + slowLost, 0);
  const time = ({ runs }: Result) => median(runs.map(({ exit }) => exit ?? Number.POSITIVE_INFINITY));
  const ours = results.filter(({ name }) => name.startsWith('endless'));
  const whole = ours.find(({ name }) => name === 'endless, idleGrace');
  const others = results.filter((result) => !ours.includes(result) && lost(result) === 0);
  return (
    ours.every(({ runs }) => runs.every(({ slowLost }) => slowLost === 0)) &&
    (whole === undefined ||
      (lost(whole) === 0 && others.every((other) => time(whole) <= time(other) + SAME_TIME)))
  );
}

/** What two processes of the same program differ in how long they take to end. */
const SAME_TIME = 100;
