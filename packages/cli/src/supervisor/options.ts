import type { Log } from '../print/log.js';
import type { Program } from '../program/program.js';

/** What the command line says about a run; times are milliseconds. */
export interface RunOptions {
  program: Program;
  workers: number;
  startTimeout: number;
  /** 0: never. */
  giveUp: number;
  log: Log;
}
