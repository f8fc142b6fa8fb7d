import { expect, test } from 'vitest';
import { seedsFrom } from '../../test/random.js';
import { randomStory } from '../../test/simulation/random-story.js';

// `SIMULATION_SEED=7` repeats one story.
test('whatever happens in whatever order, each address is held, restarts settle and stops end', async () => {
  for (const seed of seedsFrom('SIMULATION_SEED', 25))
    expect(await randomStory(seed, 100), `SIMULATION_SEED=${seed}`).toBeUndefined();
});
