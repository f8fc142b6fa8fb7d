import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/** CI counts the results from a file. */
export const reporters = process.env.TEST_RESULTS
  ? ['default', ['json', { outputFile: process.env.TEST_RESULTS }] as ['json', object]]
  : ['default'];

/** Which files a suite has, and which of them look at the clock or keep both cores busy. */
interface Files {
  include: string[];
  exclude?: string[];
  clock: string[];
}

/** Most tests wait for processes, so two files run at once. Those of `clock` run alone, after all others. */
export function projects({ include, exclude = [], clock }: Files): TestProjectInlineConfiguration[] {
  const never = ['**/node_modules/**', '**/dist/**', 'demo/.work/**', ...exclude];
  return [
    {
      extends: true,
      test: {
        name: 'process',
        include,
        exclude: [...never, ...clock],
        maxWorkers: 2,
        sequence: { groupOrder: 0 },
      },
    },
    {
      extends: true,
      test: { name: 'clock', include: clock, exclude: never, maxWorkers: 1, sequence: { groupOrder: 1 } },
    },
  ];
}

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 30_000,
    reporters,
    hookTimeout: 30_000,
    projects: projects({
      include: ['{packages,testkit,examples,demo,bench}/**/*.test.ts', 'test/**/*.test.ts'],
      exclude: ['**/*.long.test.ts'],
      clock: [
        'packages/core/test/{addresses,chain,drain,hammer,migrate,moved-connections,own-code,progress,protocols}.test.ts',
        'packages/core/test/{rollback,seed,shutdown,signals,slow-start,systemd,timeouts,watchers}.test.ts',
        'packages/fastify/test/apps.test.ts',
        'packages/ws/test/{apps,half,move,moved}.test.ts',
        'demo/test/*.test.ts',
      ],
    }),
  },
});
