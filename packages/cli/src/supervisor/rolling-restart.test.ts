import { expect, test } from 'vitest';
import type { Release } from '../program/program.js';
import type { Slot } from '../workers/slot.js';
import { rollingRestart } from './rolling-restart.js';

const [OLD, NEW] = [1, 2].map((id) => ({ id }) as Release) as [Release, Release];

/** A restart of workers, of which these fail; what happened, in order. */
async function restart(...fails: boolean[]) {
  const story: string[] = [];
  const slots = fails.map((fails, index) => {
    const slot = {
      ...{ index, retired: false, living: new Set(), current: { release: OLD } },
      restart: async (release: Release) => {
        if (fails) throw new Error('it fails');
        slot.current = { release };
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
