import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** Tests that measure time from outside: they run alone, after all others. */
const CLOCK = ['packages/core/test/{hammer,slow-start,timeouts}.test.ts', 'bench/test/*.test.ts'];

/** Tests that keep both cores busy, or whose long rows measure time: they run alone in the long suite. */
const CLOCK_IN_LONG = [
  'packages/core/test/{addresses,chain,drain,migrate,moved-connections,own-code,progress,protocols}.test.ts',
  'packages/core/test/{rollback,seed,shutdown,signals,systemd,watchers}.test.ts',
  'packages/core/test/{faults,late-decisions,load,migrate,pipelines-fuzz,restart,signals-fuzz,systemd}.long.test.ts',
  'packages/fastify/test/apps.test.ts',
  'packages/ws/test/{apps,move,moved}.test.ts',
  'packages/ws/test/{half,move,moved}.long.test.ts',
];

/** Tests of one file of source: they start no process, or next to none. */
const UNIT = ['packages/*/src/**/*.test.ts', 'testkit/src/*.test.ts'];
const UNIT_WITH_PROCESSES = ['packages/core/src/node-private/*.test.ts', 'testkit/src/processes.test.ts'];

const LONG = ['**/*.long.test.ts'];
const NEVER = ['**/node_modules/**', '**/dist/**', 'demo/.work/**'];

/** Whether a file has tests for both suites: it uses `longTest`, `rowsOf` or `testedNodes`. */
const isInBoth = (file: string) => /\b(?:longTest|rowsOf|testedNodes)\b/.test(readFileSync(file, 'utf8'));

/** The test files of the packages that the default suite runs. */
const ofPackages = readdirSync('packages')
  .flatMap((name) => readdirSync(`packages/${name}/test`).map((file) => `packages/${name}/test/${file}`))
  .filter((file) => file.endsWith('.test.ts') && !file.endsWith('.long.test.ts'));

/** The default suite, or the long one, which has what the default suite has no time for. */
export function suite({ long }: { long: boolean }): ViteUserConfig {
  const include = long ? [...LONG, ...ofPackages.filter(isInBoth)] : ['**/*.test.ts'];
  const clock = long ? [...CLOCK, ...CLOCK_IN_LONG] : CLOCK;
  // Most of the time a test waits, so that three files keep two cores busy.
  const workers = { maxWorkers: long ? 2 : 3, sequence: { groupOrder: 0 } };
  const exclude = [...NEVER, ...(long ? ofPackages.filter((file) => !isInBoth(file)) : LONG)];
  return defineConfig({
    test: {
      pool: 'forks',
      env: long ? { LONG_SUITE: '1' } : {},
      testTimeout: long ? 600_000 : 30_000,
      hookTimeout: long ? 60_000 : 30_000,
      // CI counts the results from a file.
      reporters: process.env.TEST_RESULTS
        ? ['default', ['json', { outputFile: process.env.TEST_RESULTS }]]
        : ['default'],
      projects: [
        {
          extends: true,
          test: {
            name: 'unit',
            include: long ? [] : UNIT,
            exclude: [...exclude, ...UNIT_WITH_PROCESSES],
            ...workers,
          },
        },
        {
          extends: true,
          test: {
            name: 'process',
            include: long ? include : [...include, ...UNIT_WITH_PROCESSES],
            exclude: [
              ...exclude,
              ...clock,
              ...(long
                ? []
                : ['packages/*/src/**/!(node-private).test.ts', 'testkit/src/!(processes).test.ts']),
            ],
            ...workers,
          },
        },
        {
          extends: true,
          test: {
            name: 'clock',
            include: clock,
            exclude,
            maxWorkers: 1,
            sequence: { groupOrder: 1 },
          },
        },
      ],
    },
  });
}

export default suite({ long: false });
