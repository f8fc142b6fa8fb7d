import { expect, test } from 'vitest';
import type { Release } from '../program/program.js';
import type { Slot } from '../workers/slot.js';
import { rollingRestart } from './rolling-restart.js';

const [OLD, NEW] = [1, 2].map((id) => ({ id }) as Release) as [Release, Release];

/** A restart of workers, of which these fail, or have old processes that wait for it; what happened, in order. */
async function restart(...fails: (boolean | 'waits')[]) {
  const story: string[] = [];
  const slots = fails.map((fails, index) => {
    const old = { release: OLD, calls: fails === 'waits' ? 1 : 0 };
    const slot = {
      ...{ index, retired: false, living: new Set([old]), current: old },
      restart: async (release: Release) => {
        if (fails === true) throw new Error('it fails');
        slot.current = { release, calls: 0 };
        slot.living.add(slot.current);
        if (fails === false) slot.living.delete(old);
        story.push(`worker ${index} runs ${release.id}`);
        return 100 + index;
      },
    };
    return slot;
  });
  const { result, error } = await rollingRestart({
    ...{ slots: slots as unknown as Slot[], release: NEW, stopping: () => false },
    pin: ({ id }) => void story.push(`respawns run ${id}`),
    ...{ comesTo: () => {}, progress: () => {} },
  });
  return { result, error, story };
}

test('respawns run the new release once the canary stays, and before another worker is replaced', async () => {
  const { result, story } = await restart(false, false);
  expect(result).toBe('done');
  expect(story).toEqual(['worker 0 runs 2', 'respawns run 2', 'worker 1 runs 2']);
});

test('respawns run the old release if the canary fails, and no other worker is replaced', async () => {
  expect(await restart(true, false)).toEqual({ result: 'failed', error: 'worker 0: it fails', story: [] });
});

test('a restart goes on although an old process waits for the result of this restart', async () => {
  const { result, story } = await restart('waits', false);
  expect(result).toBe('done');
  expect(story).toContain('worker 1 runs 2');
});
