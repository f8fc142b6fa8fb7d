import { defineConfig } from 'vitest/config';
import { reporters } from './vitest.config.ts';

/** Tests that the short suite runs on one Node.js version, and this one on each. */
const ON_EVERY_NODE = [
  'drain',
  'hammer',
  'http1',
  'http2',
  'migrate',
  'moved-connections',
  'port-checks',
  'timeouts',
  'tls',
  'worker-threads',
].map((name) => `packages/core/test/${name}.test.ts`);

/** Races that are run many times, and whole-chain runs: `pnpm test:long`. */
export default defineConfig({
  test: {
    include: ['{packages,test,bench,examples,existing-programs}/**/*.long.test.ts', ...ON_EVERY_NODE],
    env: { EVERY_NODE: '1' },
    fileParallelism: false,
    pool: 'forks',
    testTimeout: 600_000,
    reporters,
    hookTimeout: 60_000,
  },
});
