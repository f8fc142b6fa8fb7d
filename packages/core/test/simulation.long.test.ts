import { expect, test } from 'vitest';
import { seedsFrom } from './random.js';
import { randomStory } from './simulation/random-story.js';

const STORIES = 1_000;
const LENGTH = 100;

test('100,000 random steps break no promise', async () => {
  for (const seed of seedsFrom('SIMULATION_SEED', STORIES))
    expect(await randomStory(seed, LENGTH), `SIMULATION_SEED=${seed}`).toBeUndefined();
});
