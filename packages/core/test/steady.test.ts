import { expect, test } from 'vitest';
import { serve } from './program.js';

// `pnpm bench cpu` measures what they cost. A function more needs a new measurement.
const BUSY = { onRequest: 100, isCurrent: 100 };

test('100 requests run two short functions of endless 100 times each, and an idle process runs none', async () => {
  const { program } = await serve('steady.mjs');
  const [, calls = ''] = await program.waitFor(/^calls (.*)$/m);
  expect(JSON.parse(calls)).toEqual({ busy: BUSY, idle: {} });
});

test('100 requests run the same two functions after a restart that was rolled back', async () => {
  const { program } = await serve('steady.mjs', { rollbackWindow: 10_000 }, { env: { ROLLS_BACK: '1' } });
  const [, calls = ''] = await program.waitFor(/^calls (.*)$/m);
  const all = Object.entries<number>(JSON.parse(calls).busy);
  // A few functions may still run once: the end of a timer.
  expect(Object.fromEntries(all.filter(([, count]) => count >= 100))).toEqual(BUSY);
});
