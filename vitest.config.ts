import { readdirSync, readFileSync } from 'node:fs';
import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Tests that measure time from outside: they run alone, after all others. */
const CLOCK = ['packages/core/test/{hammer,slow-start,timeouts}.test.ts'];

/** Tests whose long rows keep both cores busy, or have narrow bounds: they run alone in the long suite. */
const CLOCK_IN_LONG = [
  'packages/core/test/{migrate,moved-connections,shutdown}.test.ts',
  'packages/core/test/{load,migrate,pipelines-fuzz,restart,signals-fuzz}.long.test.ts',
  'packages/ws/test/move.test.ts',
  'packages/ws/test/{half,move,moved}.long.test.ts',
];

/** The files that take a minute or more in the long suite, the longest first. */
const LONGEST = [
  'packages/cli/test/policy.test.ts',
  'packages/cli/test/watch.long.test.ts',
  'test/packages.long.test.ts',
  'examples/examples.long.test.ts',
  'packages/core/test/proxies.long.test.ts',
  'packages/core/test/faults.long.test.ts',
  'packages/core/test/generations.long.test.ts',
  'packages/cli/test/workers.test.ts',
  'packages/core/test/downloads.long.test.ts',
  'packages/core/test/conformance.long.test.ts',
  'packages/fastify/test/conformance.long.test.ts',
  'packages/cli/test/kinds.test.ts',
  'packages/cli/test/addresses.test.ts',
  'packages/express/test/conformance.long.test.ts',
  'packages/cli/test/drill.long.test.ts',
  'bench/test/bench.long.test.ts',
  'packages/cli/test/limits.test.ts',
  'packages/core/test/late-decisions.long.test.ts',
  'packages/fastify/test/apps.test.ts',
  'packages/core/test/unix.long.test.ts',
  'packages/koa/test/conformance.long.test.ts',
  'packages/express/test/apps.test.ts',
];

/** Begins with the longest files: one of them at the end would leave a core without work. */
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(files)).sort((one, other) => place(one) - place(other));
  }
}

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
  // Three files keep two cores busy; of the long suite, which loads servers for longer, two.
  const workers = { maxWorkers: long ? 2 : 3, sequence: { groupOrder: 0 } };
  const exclude = [...NEVER, ...(long ? ofPackages.filter((file) => !isInBoth(file)) : LONG)];
  return defineConfig({
    test: {
      pool: 'forks',
      env: long ? { LONG_SUITE: '1' } : {},
      testTimeout: long ? 600_000 : 30_000,
      hookTimeout: long ? 60_000 : 30_000,
      sequence: long ? { sequencer: LongestFirst } : {},
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
