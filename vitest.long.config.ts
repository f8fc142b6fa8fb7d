import { defineConfig } from 'vitest/config';
import { reporters } from './vitest.config.ts';

/** Races that are run many times, and whole-chain runs: `pnpm test:long`. */
export default defineConfig({
  test: {
    include: ['{packages,test}/**/*.long.test.ts'],
    fileParallelism: false,
    pool: 'forks',
    testTimeout: 600_000,
    reporters,
    hookTimeout: 60_000,
  },
});
