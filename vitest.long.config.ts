import { defineConfig } from 'vitest/config';
import { projects, reporters } from './vitest.config.ts';

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
    env: { EVERY_NODE: '1' },
    pool: 'forks',
    testTimeout: 600_000,
    reporters,
    hookTimeout: 60_000,
    projects: projects({
      include: ['{packages,test,bench,examples,existing-programs}/**/*.long.test.ts', ...ON_EVERY_NODE],
      clock: [
        'packages/core/test/{drain,hammer,migrate,moved-connections,timeouts}.test.ts',
        'packages/core/test/{faults,late-decisions,load,migrate,pipelines-fuzz,signals-fuzz,systemd}.long.test.ts',
        'packages/ws/test/{move,moved}.long.test.ts',
        'bench/test/*.test.ts',
      ],
    }),
  },
});
