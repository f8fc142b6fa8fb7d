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
import { mostConnections, openCrowd } from './crowd.js';
import { type Options, scaled } from './options.js';
import { type Contender, ServerProcess } from './server-process.js';
import { median, range } from './statistics.js';

/** What an idle kept-alive connection holds in the server, beside one of the same server without. */
export async function memory(options: Options): Promise<boolean> {
  const { report, only } = options;
  const scale = scaled(options, {
    full: { runs: 5, connections: 5_000 },
    quick: { runs: 1, connections: 1_000 },
    smoke: { runs: 1, connections: 20 },
  });
  const connections = Math.min(scale.connections, mostConnections());
  const results: Result[] = TRIALS.filter(({ name }) => name.startsWith(only)).map((trial) => ({
    ...trial,
    sizes: [[], []],
  }));
  for (let run = 0; run < scale.runs; run++) {
    for (const { contenders, sizes, name } of results) {
      // Alternating, so that whatever changes on the machine changes for both.
      for (const side of run % 2 === 0 ? SIDES : SIDES.toReversed())
        sizes[side].push(await measure(contenders[side], connections));
      console.error(`${name}: run ${run + 1}`);
    }
  }
  report.table(TITLES, results.map(rowOf));
  report.note(
    `${connections} connections, each of which has had one answer. What V8 holds once garbage is collected, buffers ` +
      'outside its heap included; the kernel is not.',
  );
  report.raw({ ...scale, connections, results: results.map(({ name, sizes }) => ({ name, sizes })) });
  return results.every((result) => result.isPeer || ratioOf(result) <= MOST);
}

/** One connection may hold so much more than without. */
const MOST = 1.1;
const SIDES = [0, 1] as const;

interface Trial {
  name: string;
  contenders: readonly [Contender, Contender];
  isPeer?: boolean;
}

interface Result extends Trial {
  /** Bytes for each connection, of each of the two, one for each run. */
  sizes: [number[], number[]];
}

const TRIALS: Trial[] = [
  { name: 'http: bare, bare', contenders: [HTTP, HTTP] },
  { name: 'http: bare, --import register', contenders: [HTTP, HTTP_REGISTER] },
  { name: 'http: bare, endless.listen', contenders: [HTTP, HTTP_LISTEN] },
  { name: 'Express: bare, app.use(endless())', contenders: [EXPRESS, EXPRESS_ENDLESS] },
  { name: 'Koa: bare, app.use(endless())', contenders: [KOA, KOA_ENDLESS] },
  { name: 'Fastify: bare, register(endlessPlugin)', contenders: [FASTIFY, FASTIFY_ENDLESS] },
  { name: 'peers: plain, endless.listen', contenders: [PLAIN, PLAIN_ENDLESS] },
  ...PEERS.map(
    ([name, peer]): Trial => ({ name: `peers: plain, ${name}`, contenders: [PLAIN, peer], isPeer: true }),
  ),
];

async function measure({ nodeOptions = [], ...contender }: Contender, connections: number): Promise<number> {
  const server = await ServerProcess.start({ ...contender, nodeOptions: ['--expose-gc', ...nodeOptions] });
  try {
    // What the first connections bring along for good is no part of what each one holds.
    const first = await openCrowd(server.port, Math.min(100, connections));
    const before = await server.memory();
    const crowd = await openCrowd(server.port, connections);
    const after = await server.memory();
    for (const customer of [...first, ...crowd]) customer.close();
    return (after.heapUsed + after.external - before.heapUsed - before.external) / connections;
  } finally {
    await server.stop();
  }
}

const TITLES = ['comparison', 'runs', 'bytes without', 'bytes with', 'ratio', 'limit', 'holds'];

function ratioOf({ sizes: [without, with_] }: Result): number {
  return median(with_) / median(without);
}

function rowOf(result: Result): string[] {
  const [without, with_] = result.sizes;
  const ratio = ratioOf(result);
  return [
    result.name,
    String(without.length),
    range(without),
    range(with_),
    ratio.toFixed(3),
    result.isPeer ? 'none' : `<= ${MOST}`,
    result.isPeer ? '' : ratio <= MOST ? 'yes' : 'NO',
  ];
}
