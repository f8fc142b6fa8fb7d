import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, get, type Load, type Program, startLoad } from '@endless/testkit';
import { type Options, scaled } from './options.js';
import { range } from './statistics.js';
import { WATCHERS, type Watcher } from './watchers.js';

/** What a save costs the clients of a program that is restarted when its file changes: endless and others. */
export async function watch(options: Options): Promise<boolean> {
  const { only, report } = options;
  const effort = scaled(options, { full: FULL, quick: QUICK, smoke: SMOKE });
  const results: Result[] = [];
  for (const watcher of WATCHERS.filter(({ name }) => name.startsWith(only))) {
    results.push(await measure(watcher, effort));
    console.error(`${watcher.name}: ${effort.saves} saves`);
  }
  report.table(TITLES, results.map(rowOf));
  report.note(
    `${KEPT} clients that keep their connection and ${FRESH} that open one for each request, ${THINK_TIME} ms between a ` +
      `response and the next request. No request is tried again; a client that has lost one sends its next ${LOSS_PAUSE} ms ` +
      `later. A broken save is a syntax error that the next save mends ${effort.brokenFor} ms later.`,
  );
  report.raw({ ...effort, results });
  return results.every(({ name, good, broken }) => !name.startsWith('endless') || isNothing(good, broken));
}

const KEPT = 8;
const FRESH = 2;
const THINK_TIME = 10;
const LOSS_PAUSE = 100;
const PATIENCE = 30_000;

interface Effort {
  saves: number;
  brokenSaves: number;
  /** Milliseconds until a broken save is mended. */
  brokenFor: number;
  /** Milliseconds between the first response of new code and the next save. */
  soak: number;
}

const FULL: Effort = { saves: 20, brokenSaves: 5, brokenFor: 1_000, soak: 500 };
const QUICK: Effort = { ...FULL, saves: 5, brokenSaves: 2 };
const SMOKE: Effort = { saves: 1, brokenSaves: 1, brokenFor: 300, soak: 300 };

/** What the clients have met. */
interface Counts {
  requests: number;
  refused: number;
  lostOtherwise: number;
  /** Connections that clients opened which keep theirs, beyond the first of each. */
  opened: number;
}

interface Result {
  name: string;
  good: Counts;
  broken: Counts;
  /** Milliseconds of each good save until the first response of its code. */
  times: number[];
}

async function measure(watcher: Watcher, effort: Effort): Promise<Result> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'endless-watch-'));
  const file = path.join(folder, 'server.mjs');
  writeFileSync(file, version(0));
  const port = await freePort();
  const program = watcher.start(file, port);
  let load: Clients | undefined;
  try {
    await answers(port, 0, program);
    await delay(effort.soak);
    load = new Clients(port);
    await delay(effort.soak);
    const times: number[] = [];
    for (let save = 1; save <= effort.saves; save++) {
      const began = performance.now();
      writeFileSync(file, version(save));
      await answers(port, save, program);
      times.push(performance.now() - began);
      await delay(effort.soak);
    }
    const good = load.counts();
    for (let save = 1; save <= effort.brokenSaves; save++) {
      writeFileSync(file, 'this is no program\n');
      await delay(effort.brokenFor);
      writeFileSync(file, version(-save));
      await answers(port, -save, program);
      await delay(effort.soak);
    }
    return { name: watcher.name, good, broken: difference(load.counts(), good), times };
  } finally {
    await load?.stop();
    await program.stop();
    rmSync(folder, { recursive: true });
  }
}

/** The clients of one program. */
class Clients {
  readonly #loads: readonly Load[];

  constructor(port: number) {
    const options = { port, thinkTime: () => THINK_TIME, lossPause: LOSS_PAUSE };
    this.#loads = [
      startLoad({ ...options, connections: KEPT, mode: 'keep-alive' }),
      startLoad({ ...options, connections: FRESH, mode: 'new-connection' }),
    ];
  }

  counts(): Counts {
    const sum = (of: (load: Load) => number) => this.#loads.reduce((all, load) => all + of(load), 0);
    const refused = sum(({ lostBy }) => lostBy.get('refused') ?? 0);
    return {
      requests: sum(({ requests }) => requests),
      refused,
      lostOtherwise: sum(({ lostCount }) => lostCount) - refused,
      opened: (this.#loads[0]?.opened ?? 0) - KEPT,
    };
  }

  async stop(): Promise<void> {
    for (const load of this.#loads) await load.stop();
  }
}

function difference(all: Counts, before: Counts): Counts {
  return {
    requests: all.requests - before.requests,
    refused: all.refused - before.refused,
    lostOtherwise: all.lostOtherwise - before.lostOtherwise,
    opened: all.opened - before.opened,
  };
}

function isNothing(...counts: readonly Counts[]): boolean {
  return counts.every(({ refused, lostOtherwise, opened }) => refused + lostOtherwise + opened === 0);
}

/** A plain server, which knows nothing of its watcher. */
function version(save: number): string {
  return `import http from 'node:http';
const server = http.createServer((_request, response) => {
  response.setHeader('X-Version', '${save}');
  response.end('hello');
});
server.listen(Number(process.env.PORT), '127.0.0.1');
`;
}

/** Resolves once a fresh connection gets a response of this code. */
async function answers(port: number, save: number, program: Program): Promise<void> {
  for (const until = performance.now() + PATIENCE; performance.now() < until; await delay(10)) {
    const answer = await get({ port }).catch(() => undefined);
    if (answer?.headers['x-version'] === String(save)) return;
  }
  throw new Error(`The code of a save does not answer.\n${program.output}`);
}

const TITLES = [
  'restarted by',
  'saves',
  'requests',
  'refused',
  'lost otherwise',
  'connections opened',
  'ms from save to new code',
  'broken saves: requests',
  'broken saves: refused',
  'broken saves: lost otherwise',
];

function rowOf({ name, good, broken, times }: Result): string[] {
  return [
    ...[name, String(times.length)],
    ...[good.requests, good.refused, good.lostOtherwise, good.opened].map(String),
    range(times),
    ...[broken.requests, broken.refused, broken.lostOtherwise].map(String),
  ];
}
