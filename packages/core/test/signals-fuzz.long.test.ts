import { expect, test } from 'vitest';
import { seedsFrom } from './random.js';
import { fuzzSignals } from './signals-fuzz.js';

const SEQUENCES = 200;
const AT_ONCE = 8;

// A seed that fails is run alone with SIGNAL_FUZZ_SEED=<seed>; several are separated by commas.
test(`${SEQUENCES} random sequences of signals under load lose nothing and leave nothing behind`, async () => {
  const seeds = seedsFrom('SIGNAL_FUZZ_SEED', SEQUENCES);
  const failed: string[] = [];
  let requests = 0;
  const worker = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const result = await fuzzSignals(seed);
      requests += result.requests;
      if (result.faults.length === 0) continue;
      failed.push(`seed ${seed}: ${result.faults.join('; ')}`);
      console.error(`SIGNAL_FUZZ_SEED=${seed}\n${result.faults.join('\n')}\n${result.story}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  console.log(`${requests} requests were answered`);
  expect(failed).toEqual([]);
});

test('an answer that a program drops is noticed', async () => {
  const { faults } = await fuzzSignals(4, { DROPS: '1' });
  expect(faults).toContainEqual(expect.stringMatching(/^lost at .*"reason":"ended"/));
});
