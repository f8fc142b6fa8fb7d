import { expect, onTestFinished, test } from 'vitest';
import { outliveTerminal } from './terminal.js';

test('a process that outlives its terminal listens once to the errors of each stream', () => {
  const { stdout } = process;
  const { isTTY } = stdout;
  const before = stdout.listeners('error');
  stdout.isTTY = true;
  onTestFinished(() => {
    stdout.isTTY = isTTY;
    for (const fn of stdout.listeners('error') as (() => void)[])
      if (!before.includes(fn)) stdout.off('error', fn);
  });
  outliveTerminal();
  outliveTerminal();
  expect(stdout.listenerCount('error')).toBe(before.length + 1);
});
