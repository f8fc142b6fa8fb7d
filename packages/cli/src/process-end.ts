import { constants } from 'node:os';
import { EXIT } from './exit-codes.js';

/** How a process ended. */
export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** When, for a process of a worker. */
  at?: Date;
}

/** What a shell reports for a command that it cannot start. */
export const NOT_STARTED: ProcessEnd = { code: 127, signal: null };

/** The exit code with which a shell reports how a process ended. */
export function codeOf({ code, signal }: ProcessEnd): number {
  if (signal) return 128 + constants.signals[signal];
  return code ?? EXIT.failed;
}

/** How a process ended, for log lines. */
export function howEnded({ code, signal }: ProcessEnd): string {
  return signal ? `was killed by ${signal}` : `exited with code ${code}`;
}
