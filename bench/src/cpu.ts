import { type Comparison, compare, type Effort } from './compare.js';
import {
  EXPRESS,
  EXPRESS_ENDLESS,
  FASTIFY,
  FASTIFY_ENDLESS,
  HTTP,
  HTTP_LISTEN,
  HTTP_REGISTER,
  KOA,
  KOA_ENDLESS,
  PEERS,
  PLAIN,
  PLAIN_ENDLESS,
} from './contenders.js';
import { type Options, scaled } from './options.js';
import type { Contender } from './server-process.js';

/** CPU time per request and throughput of a server with endless over those of the same server without. */
export async function cpu(options: Options): Promise<boolean> {
  const { only, report } = options;
  const effort = scaled(options, { full: FULL, quick: QUICK, smoke: SMOKE });
  const results: Result[] = [];
  for (const trial of TRIALS.filter(({ name }) => name.startsWith(only))) {
    const comparison = await compare(trial.contenders, effort);
    results.push({ ...comparison, ...trial, holds: trial.limit.holds(comparison) });
    console.error(`${trial.name}: ${comparison.pairs} pairs`);
  }
  report.table(TITLES, results.map(rowOf));
  report.raw(results.map(({ limit, contenders, ...result }) => result));
  const ahead = peersAhead(results);
  if (ahead.length > 0) report.note(`Ahead of endless by more than both intervals: ${ahead.join(', ')}.`);
  return ahead.length === 0 && results.every(({ holds }) => holds);
}

interface Trial {
  name: string;
  contenders: [Contender, Contender];
  limit: Limit;
}

interface Limit {
  text: string;
  holds(comparison: Comparison): boolean;
}

type Result = Comparison & Trial & { holds: boolean };

const SAME: Limit = {
  text: 'within 0.02 of 1',
  holds: ({ cpuRatio }) => Math.abs(cpuRatio.value - 1) <= 0.02,
};
const NOTHING_TO_PAY: Limit = {
  text: 'upper end <= 1.04',
  holds: ({ cpuRatio }) => cpuRatio.high <= 1.04,
};

const ENDLESS_AS_PEER = 'peers: plain, endless.listen';
const NO_LIMIT: Limit = { text: 'none', holds: () => true };

const TRIALS: Trial[] = [
  { name: 'http: bare, bare', contenders: [HTTP, HTTP], limit: SAME },
  { name: 'http: bare, --import register', contenders: [HTTP, HTTP_REGISTER], limit: NOTHING_TO_PAY },
  { name: 'http: bare, endless.listen', contenders: [HTTP, HTTP_LISTEN], limit: NOTHING_TO_PAY },
  { name: 'Express: bare, bare', contenders: [EXPRESS, EXPRESS], limit: SAME },
  {
    name: 'Express: bare, app.use(endless())',
    contenders: [EXPRESS, EXPRESS_ENDLESS],
    limit: NOTHING_TO_PAY,
  },
  { name: 'Koa: bare, app.use(endless())', contenders: [KOA, KOA_ENDLESS], limit: NOTHING_TO_PAY },
  {
    name: 'Fastify: bare, register(endlessPlugin)',
    contenders: [FASTIFY, FASTIFY_ENDLESS],
    limit: NOTHING_TO_PAY,
  },
  { name: ENDLESS_AS_PEER, contenders: [PLAIN, PLAIN_ENDLESS], limit: NOTHING_TO_PAY },
  ...PEERS.map(
    ([name, peer]): Trial => ({
      name: `peers: plain, ${name}`,
      contenders: [PLAIN, peer],
      limit: NO_LIMIT,
    }),
  ),
];

/** The peers that cost less than endless, by more than the intervals of both allow for. */
function peersAhead(results: readonly Result[]): string[] {
  const ours = results.find(({ name }) => name === ENDLESS_AS_PEER);
  if (!ours) return [];
  return results
    .filter(({ limit, cpuRatio }) => limit === NO_LIMIT && cpuRatio.high < ours.cpuRatio.low)
    .map(({ name }) => name);
}

const FULL: Effort = { pairsPerRound: 10, leastRounds: 16, widest: 0.04, longest: 180_000, warmUp: 20_000 };
const QUICK: Effort = {
  ...FULL,
  pairsPerRound: 4,
  leastRounds: 2,
  widest: Number.POSITIVE_INFINITY,
  warmUp: 10_000,
};
const SMOKE: Effort = { ...QUICK, pairsPerRound: 1, warmUp: 100 };

const TITLES = [
  'comparison',
  'pairs',
  'CPU µs/request',
  'CPU ratio',
  '95 % interval',
  'req/s ratio',
  'limit',
  'holds',
];

function rowOf({ name, pairs, cpuPerRequest, cpuRatio, throughputRatio, limit, holds }: Result): string[] {
  return [
    name,
    String(pairs),
    cpuPerRequest.map((time) => time.toFixed(1)).join(', '),
    cpuRatio.value.toFixed(3),
    `${cpuRatio.low.toFixed(3)} to ${cpuRatio.high.toFixed(3)}`,
    throughputRatio.value.toFixed(3),
    limit.text,
    limit === NO_LIMIT ? '' : holds ? 'yes' : 'NO',
  ];
}
