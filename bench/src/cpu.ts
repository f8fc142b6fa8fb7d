import { type Comparison, compare, type Effort } from './compare.js';
import type { Options } from './options.js';
import type { Contender } from './server-process.js';
import { table } from './table.js';

/** CPU time per request and throughput of a server with endless over those of the same server without. */
export async function cpu({ quick, only }: Options): Promise<boolean> {
  const results: Result[] = [];
  for (const trial of TRIALS.filter(({ name }) => name.startsWith(only))) {
    const comparison = await compare(trial.contenders, quick ? QUICK : FULL);
    results.push({ ...comparison, ...trial, holds: trial.limit.holds(comparison) });
    console.error(`${trial.name}: ${comparison.pairs} pairs`);
  }
  console.log(table(TITLES, results.map(rowOf)));
  return results.every(({ holds }) => holds);
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

const HTTP: Contender = { file: 'http-bare.js' };
const HTTP_REGISTER: Contender = {
  file: 'http-bare.js',
  nodeOptions: ['--import', import.meta.resolve('@endless/core/register')],
};
const HTTP_LISTEN: Contender = { file: 'http-listen.js' };
const EXPRESS: Contender = { file: 'express-bare.js' };
const EXPRESS_ENDLESS: Contender = { file: 'express-endless.js' };
const KOA: Contender = { file: 'koa-bare.js' };
const KOA_ENDLESS: Contender = { file: 'koa-endless.js' };
const FASTIFY: Contender = { file: 'fastify-bare.js' };
const FASTIFY_ENDLESS: Contender = { file: 'fastify-endless.js' };

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
];

const FULL: Effort = { pairsPerRound: 10, leastRounds: 16, widest: 0.04, longest: 360_000 };
const QUICK: Effort = { pairsPerRound: 6, leastRounds: 8, widest: Number.POSITIVE_INFINITY, longest: 60_000 };

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
    holds ? 'yes' : 'NO',
  ];
}
