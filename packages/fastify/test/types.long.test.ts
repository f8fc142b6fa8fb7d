import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgram } from '@endless/testkit';
import { expect, onTestFinished, test } from 'vitest';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const TSC = path.join(HERE, '../../../node_modules/typescript/bin/tsc');

test('the lines of the README compile without a cast, and wrong options do not', async () => {
  const tsc = startProgram(TSC, { args: ['-p', HERE] });
  onTestFinished(() => tsc.stop());
  const { code } = await tsc.exited;
  expect(tsc.output).toBe('');
  expect(code).toBe(0);
});
