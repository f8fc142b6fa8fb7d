import { parseArgs } from 'node:util';
import { cpu } from './cpu.js';
import type { Benchmark } from './options.js';
import { restart } from './restart.js';

const BENCHMARKS: Record<string, Benchmark> = { cpu, restart };

// An orderly exit ends the servers that were started, which a signal alone does not.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
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

let allHold = true;
for (const name of names) {
  console.log(`\n${name}`);
  const holds = await BENCHMARKS[name]?.({ quick: values.quick, only: values.only });
  if (!holds) allHold = false;
}
if (values.assert && !allHold) process.exitCode = 1;
