import { constants } from 'node:os';

/** The exit codes of the commands; The README of this package explains each. */
export const EXIT = {
  done: 0,
  /** A stop force-closed requests, a restart changed nothing, or not every worker is ready. */
  failed: 1,
  usage: 2,
  notRunning: 3,
  /** Some workers run the new release, others the old one. */
  partly: 4,
  /** Another supervisor has this control socket, or the request goes on after its time. */
  busy: 5,
} as const;

/** How a process ended. */
export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
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
