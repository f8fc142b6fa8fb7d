import { defineConfig } from 'vitest/config';

/** CI counts the results from a file. */
export const reporters = process.env.TEST_RESULTS
  ? ['default', ['json', { outputFile: process.env.TEST_RESULTS }] as ['json', object]]
  : ['default'];

export default defineConfig({
  test: {
    include: ['{packages,testkit,examples,demo,bench}/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '**/*.long.test.ts', 'demo/.work/**'],
    // The tests start real servers and look at the clock: beside each other they would disturb each other.
    fileParallelism: false,
    pool: 'forks',
    testTimeout: 30_000,
    reporters,
    hookTimeout: 30_000,
  },
});
