import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{packages,testkit,examples,demo}/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '**/*.long.test.ts'],
    // The tests start real servers and look at the clock: beside each other they would disturb each other.
    fileParallelism: false,
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
