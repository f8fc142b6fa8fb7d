/** How a benchmark is asked to run. */
export interface Options {
  /** Fewer runs: shows that it works and roughly what it finds. */
  quick: boolean;
  /** Only the comparisons whose name begins so. */
  only: string;
}

/** A benchmark: prints what it finds, and resolves with whether every limit holds. */
export type Benchmark = (options: Options) => Promise<boolean>;
