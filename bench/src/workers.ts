import { KeepAliveLoad } from './keep-alive-load.js';
import { askOnNewConnections } from './new-connections.js';
import { type Options, scaled } from './options.js';
import { type Estimate, medianOfGroups, range } from './statistics.js';
import { SUPERVISORS, type Supervised } from './supervised.js';

/** What two workers serve under `endless run`, beside the same program under `node:cluster` and pm2. */
export async function workers(options: Options): Promise<boolean> {
  const { only, report } = options;
  const effort = scaled(options, { full: FULL, quick: QUICK, smoke: SMOKE });
  const loads = LOADS.filter(({ name }) => name.startsWith(only));
  const rounds: Round[] = [];
  for (let round = 0; round < effort.rounds; round++) {
    rounds.push(await runRound(loads, effort, round));
    console.error(`round ${round + 1} of ${effort.rounds}`);
  }
  const results = loads.flatMap(({ name }) =>
    SUPERVISORS.map((_, at) =>
      resultOf(
        name,
        rounds.map((round) => round.get(name) ?? []),
        at,
      ),
    ),
  );
  report.table(TITLES, results.map(rowOf));
  report.note(
    `Two workers, and ${CLIENTS} clients of one process on the same cores. CPU time is that of the workers and of the ` +
      'process that runs them. A ratio is endless over the other, with its 95 % interval: below 1 for CPU time and above 1 for requests ' +
      'per second is better for endless.',
  );
  report.raw(results);
  return results.every(({ holds }) => holds);
}

/** How the clients connect. */
interface Load {
  name: string;
  /** Requests of one slice. */
  requests: number;
  open(port: number): Promise<Client>;
}

/** What sends the requests of a load to one server. */
interface Client {
  /** Has so many requests answered; resolves with the milliseconds that it took. */
  run(requests: number): Promise<number>;
  close(): void;
}

const CLIENTS = 24;

const LOADS: readonly Load[] = [
  { name: 'kept-alive', requests: 4_000, open: (port) => KeepAliveLoad.open(port, CLIENTS) },
  {
    name: 'new connections',
    requests: 1_500,
    open: async (port) => ({
      run: (requests) => askOnNewConnections(port, requests, CLIENTS),
      close() {},
    }),
  },
];

interface Effort {
  /** Each round starts every supervisor again. */
  rounds: number;
  /** Slices that each serves in a round, in turn. */
  slices: number;
  /** Slices that do not count. */
  warmUp: number;
  /** The part of a slice's requests that are sent. */
  part: number;
}

const FULL: Effort = { rounds: 12, slices: 10, warmUp: 5, part: 1 };
const QUICK: Effort = { rounds: 3, slices: 5, warmUp: 3, part: 1 };
const SMOKE: Effort = { rounds: 1, slices: 1, warmUp: 0, part: 0.05 };

/** One slice: microseconds of CPU time for each request, and requests per second. */
interface Slice {
  cpu: number;
  rate: number;
}

/** The slices of each load, by supervisor. */
type Round = Map<string, Slice[][]>;

async function runRound(loads: readonly Load[], effort: Effort, round: number): Promise<Round> {
  const started = await Promise.allSettled(SUPERVISORS.map((supervisor) => supervisor.start()));
  const servers = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  try {
    for (const each of started) if (each.status === 'rejected') throw each.reason;
    const found: Round = new Map();
    for (const load of loads) found.set(load.name, await slicesOf(load, servers, effort, round));
    return found;
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

/** Slices in turn. Which server is first changes with each slice and each round. */
async function slicesOf(
  load: Load,
  servers: readonly Supervised[],
  { slices, warmUp, part }: Effort,
  round: number,
): Promise<Slice[][]> {
  const requests = Math.round(load.requests * part);
  const clients = await Promise.all(servers.map(({ port }) => load.open(port)));
  const found: Slice[][] = servers.map(() => []);
  for (let slice = -warmUp; slice < slices; slice++)
    for (let turn = 0; turn < servers.length; turn++) {
      const at = (turn + round + slice + warmUp) % servers.length;
      const [server, client] = [servers[at] as Supervised, clients[at] as Client];
      const before = server.cpuTime();
      const time = await client.run(requests);
      const cpu = (server.cpuTime() - before) / requests;
      if (slice >= 0) found[at]?.push({ cpu, rate: (requests / time) * 1_000 });
    }
  for (const client of clients) client.close();
  return found;
}

interface Result {
  load: string;
  name: string;
  cpu: number[];
  rate: number[];
  /** Endless over this one; undefined for endless itself. */
  cpuRatio: Estimate | undefined;
  rateRatio: Estimate | undefined;
  /** Whether endless is not behind by more than the intervals allow for. */
  holds: boolean;
}

function resultOf(load: string, rounds: readonly Slice[][][], at: number): Result {
  const of = (what: keyof Slice, side = at) =>
    rounds.map((round) => (round[side] ?? []).map((each) => each[what]));
  const ratio = (what: keyof Slice) => {
    const endless = of(what, 0);
    return medianOfGroups(
      of(what).map((values, round) =>
        values.map((value, slice) => (endless[round]?.[slice] ?? Number.NaN) / value),
      ),
    );
  };
  const [cpuRatio, rateRatio] = at === 0 ? [] : [ratio('cpu'), ratio('rate')];
  return {
    load,
    name: SUPERVISORS[at]?.name ?? '',
    cpu: of('cpu').flat(),
    rate: of('rate').flat(),
    cpuRatio,
    rateRatio,
    holds: (cpuRatio?.low ?? 0) <= 1 && (rateRatio?.high ?? 1) >= 1,
  };
}

const TITLES = [
  'connections',
  'run by',
  'slices',
  'CPU µs/request',
  'req/s',
  'CPU ratio',
  'req/s ratio',
  'not behind',
];

function rowOf({ load, name, cpu, rate, cpuRatio, rateRatio, holds }: Result): string[] {
  const ratio = (estimate: Estimate | undefined) =>
    estimate
      ? `${estimate.value.toFixed(3)} (${estimate.low.toFixed(3)} to ${estimate.high.toFixed(3)})`
      : '';
  return [
    load,
    name,
    String(cpu.length),
    range(cpu, 1),
    range(rate),
    ratio(cpuRatio),
    ratio(rateRatio),
    cpuRatio ? (holds ? 'yes' : 'NO') : '',
  ];
}
