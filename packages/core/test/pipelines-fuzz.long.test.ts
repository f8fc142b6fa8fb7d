import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { pipeline } from './pipelines-fuzz.js';
import { hup, serve, temporaryFolder } from './program.js';
import { Random, seedsFrom } from './random.js';

const REQUESTS_PER_SEED = 11_000;
const CLIENTS = 12;
const RESTARTS = 4;

// A seed that fails is run alone with PIPELINE_FUZZ_SEED=<seed>; several are separated by commas.
test.each(seedsFrom('PIPELINE_FUZZ_SEED', 3))(
  `each of ${REQUESTS_PER_SEED} pipelined requests gets its answer once and in order over ${RESTARTS} restarts: PIPELINE_FUZZ_SEED=%i`,
  async (seed) => {
    const runLog = path.join(temporaryFolder(), 'run');
    const { program, port } = await serve('fuzzed.mjs', { hammerTime: 10_000 }, { env: { RUN_LOG: runLog } });
    let restarts = 0;
    let asked = 0;
    const enough = (more: number) => {
      asked += more;
      return restarts === RESTARTS && asked >= REQUESTS_PER_SEED;
    };
    const clients = Array.from({ length: CLIENTS }, (_, index) =>
      pipeline(port, `${seed}.${index}`, new Random(seed * 1_000 + index), enough),
    );
    for (; restarts < RESTARTS; restarts++) {
      await sleep(1_500);
      await hup(program);
      await program.waitForPids(1, 10_000);
    }
    const found = await Promise.all(clients);
    expect(found.flatMap(({ faults }) => faults)).toEqual([]);
    const answered = found.reduce((sum, each) => sum + each.answered, 0);
    expect(answered).toBeGreaterThanOrEqual(REQUESTS_PER_SEED);
    const runs = readFileSync(runLog, 'utf8').trim().split('\n');
    expect(new Set(runs).size).toBe(runs.length);
    expect(runs.length).toBe(answered);
  },
);

test('a connection that a restart closes is noticed', async () => {
  const env = { RUN_LOG: path.join(temporaryFolder(), 'run') };
  const { program, port } = await serve('fuzzed.mjs', { migrate: false }, { env });
  let restarted = false;
  const client = pipeline(port, 'control', new Random(1), () => restarted);
  await hup(program);
  const { faults } = await Promise.race([client, sleep(5_000).then(() => ({ faults: ['nothing'] }))]);
  restarted = true;
  expect(faults).toEqual([expect.stringContaining('a close notice')]);
});
