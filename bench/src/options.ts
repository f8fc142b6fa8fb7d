import type { Report } from './report.js';

/** How a benchmark is asked to run. */
export interface Options {
  /** Fewer runs: shows that it works and roughly what it finds. */
  quick: boolean;
  /** A moment each: shows that it works, and what it finds means nothing. */
  smoke: boolean;
  /** Only the comparisons whose name begins so. */
  only: string;
  /** The folder with the source of the Go program that endless is named after, if it is to be measured. */
  seed: string | undefined;
  /** Where what it finds goes. */
  report: Report;
}

/** A benchmark: reports what it finds, and resolves with whether every limit holds. */
export type Benchmark = (options: Options) => Promise<boolean>;

/** What applies to a whole run, to a quick one, or to a test of the benchmark itself. */
export function scaled<Value>(
  { quick, smoke }: Options,
  values: { full: Value; quick: Value; smoke: Value },
): Value {
  return smoke ? values.smoke : quick ? values.quick : values.full;
}
