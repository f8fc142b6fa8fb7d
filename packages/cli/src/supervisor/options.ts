import type { Log } from '../print/log.js';
import type { Program } from '../program/program.js';

/** What the command line says about a run; times are milliseconds. */
export interface RunOptions {
  program: Program;
  workers: number;
  startTimeout: number;
  /** 0: never. */
  giveUp: number;
  /** A process that exits is started again by the next change of its files. */
  watches: boolean;
  log: Log;
  /** Gets the steps of restarts. */
  restartLog: Log;
}
