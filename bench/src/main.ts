import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cpu } from './cpu.js';
import { drill } from './drill.js';
import { growth } from './growth.js';
import { latency } from './latency.js';
import { losses } from './losses.js';
import { memory } from './memory.js';
import { migrate } from './migrate.js';
import type { Benchmark } from './options.js';
import { Report, writeResults } from './report.js';
import { restart } from './restart.js';
import { shutdown } from './shutdown.js';
import { timeline } from './timeline.js';
import { watch } from './watch.js';
import { workers } from './workers.js';

const BENCHMARKS: Record<string, Benchmark> = {
  losses,
  timeline,
  shutdown,
  cpu,
  memory,
  restart,
  growth,
  migrate,
  latency,
  workers,
  watch,
  drill,
};

// An orderly exit ends the servers that were started, which a signal alone does not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    seed: { type: 'string' },
    out: { type: 'string', default: fileURLToPath(new URL('../results', import.meta.url)) },
    assert: { type: 'boolean', default: false },
  },
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS);
const unknown = names.filter((name) => !Object.hasOwn(BENCHMARKS, name));
if (unknown.length > 0) {
  console.error(
    `No benchmark is called ${unknown.join(' or ')}; there are ${Object.keys(BENCHMARKS).join(', ')}.`,
  );
  process.exit(2);
}

const { quick, smoke, only, seed } = values;
let allHold = true;
for (const name of names) {
  console.log(`\n${name}`);
  const flags = [quick && ' --quick', smoke && ' --smoke', only && ` --only '${only}'`];
  const report = new Report(name, `pnpm bench ${name}${flags.filter(Boolean).join('')}`);
  const holds = await BENCHMARKS[name]?.({ quick, smoke, only, seed, report });
  report.write(values.out);
  if (!holds) allHold = false;
}
console.log(`\nTables, figures and charts: ${writeResults(values.out, Object.keys(BENCHMARKS))}`);
if (values.assert && !allHold) process.exitCode = 1;
