import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Worker } from '../workers/worker.js';
import { Pulse } from './pulse.js';
import { StallWatch } from './stall.js';

/** No process has this number. */
const NO_PID = 2 ** 22 + 1;

/** A worker that has answered no ping for a second, and the signals that it gets. */
function blocked(index: number): Worker & { signals: string[] } {
  const pulse = Object.assign(new Pulse(NO_PID, () => {}), { silentMs: 1_000, blockedMs: 1_000 });
  const signals: string[] = [];
  const kill = (signal: string) => void signals.push(signal);
  return { ...{ index, pid: NO_PID, pulse, readyAt: 1, state: 'ready', signals }, kill } as never;
}

test('of workers that are blocked at once, one that has answered or has exited meanwhile is not killed', async () => {
  const logged: string[] = [];
  const watch = new StallWatch(500, { info: (line) => void logged.push(line) });
  const [stays, answers, exits] = [blocked(0), blocked(1), blocked(2)];
  for (const worker of [stays, answers, exits]) watch.look(worker);
  answers.pulse.answer({ rss: 1, inspected: false });
  exits.state = 'gone';
  await sleep(10);
  expect([stays, answers, exits].map(({ signals }) => signals)).toEqual([['SIGKILL'], [], []]);
  expect(logged).toEqual([expect.stringContaining('worker 0 ')]);
  // It may be blocked again.
  Object.assign(answers.pulse, { silentMs: 1_000, blockedMs: 1_000 });
  watch.look(answers);
  await sleep(10);
  expect(answers.signals).toEqual(['SIGKILL']);
});
