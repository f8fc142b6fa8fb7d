import { setTimeout as sleep } from 'node:timers/promises';
import { startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { lines, run, until, workers } from './program.js';

const CLIENTS = 4;
const CRASHES = 20;
/** Above the second after which a crashed worker is started again at once. */
const BETWEEN = 1_100;

/** How long a process that has just become ready takes for its first answers, on a busy machine. */
const ANSWER_TIME = 500;

/** The longest time between two of these, in milliseconds. */
function longestPause(times: readonly number[]): number {
  return Math.max(...times.slice(1).map((time, index) => time - (times[index] as number)));
}

describe.each([1, 2])('20 crashes in a row under new connections, with %i workers', (count) => {
  test('refuse no connection, and lose only what was in flight in the worker that crashed', async () => {
    const served = await run('endless.mjs', { flags: ['--workers', String(count)], maxProcesses: 12 });
    const { program, port } = served;
    await lines(served, new RegExp(`is ready \\(${count} of ${count}\\)`), 1);
    const answers: number[] = [];
    const load = startLoad({
      ...{ port, connections: CLIENTS, mode: 'new-connection' as const, recordLatency: true },
      onResponse: () => void answers.push(performance.now()),
    });
    const respawns: number[] = [];
    for (let crash = 1; crash <= CRASHES; crash += 1) {
      await sleep(BETWEEN);
      const before = load.lostCount;
      const victim = workers(served)[crash % count] as number;
      const killed = performance.now();
      program.signal('SIGKILL', victim);
      await lines(served, /is ready/, count + crash);
      respawns.push(performance.now() - killed);
      // No more than each client's request.
      expect(load.lostCount - before).toBeLessThanOrEqual(CLIENTS);
    }
    await until(() => load.answered > 0);
    const { lostBy, latencies } = await load.stop();
    expect([...lostBy.keys()].filter((reason) => reason !== 'reset' && reason !== 'ended')).toEqual([]);
    // A client waits in the queue of the kernel until the next process is ready, and then for its answer.
    const longest = Math.max(...respawns) + ANSWER_TIME;
    expect(Math.max(...latencies)).toBeLessThan(longest);
    expect(longestPause(answers)).toBeLessThan(longest);
    // With a sibling there is hardly a pause.
    if (count > 1) expect(longestPause(answers)).toBeLessThan(Math.min(...respawns));
    expect(program.stderr.match(/was killed by SIGKILL: starting it again\.$/gm)).toHaveLength(CRASHES);
  });
});
