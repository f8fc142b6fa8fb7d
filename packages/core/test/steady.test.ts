import { expect, test } from 'vitest';
import { serve } from './program.js';

test('100 requests run two short functions of endless 100 times each, and an idle process runs none', async () => {
  const { program } = await serve('steady.mjs');
  const [, calls = ''] = await program.waitFor(/^calls (.*)$/m);
  // `pnpm bench cpu` measures what they cost. A function more needs a new measurement.
  expect(JSON.parse(calls)).toEqual({ busy: { onRequest: 100, isCurrent: 100 }, idle: {} });
});
