/** The exit codes of the commands; the README of this package explains each. */
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
