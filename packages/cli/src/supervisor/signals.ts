import { startedByNohup } from '@endless/core/internal';
import { EXIT } from '../exit-codes.js';
import type { Log } from '../print/log.js';
import type { Supervisor } from './supervisor.js';
import { Terminal } from './terminal.js';

/** Two stop signals within this time count as one: npm and a terminal both deliver the same Ctrl-C. */
const ONE_KEYPRESS = 1_000;

/** Lets signals steer the supervisor: restart, stop, force-close, one worker more or fewer. */
export function listenToSignals(supervisor: Supervisor, log: Log, watches: boolean): void {
  const terminal = new Terminal();
  let stoppedAt: number | undefined;
  const stop = (signal: NodeJS.Signals) => {
    const now = performance.now();
    if (stoppedAt === undefined) {
      stoppedAt = now;
      supervisor.stop(signal);
    } else if (now - stoppedAt >= ONE_KEYPRESS) supervisor.hammer();
  };
  const report = (signal: string) => (error: Error) => log.info(`${signal}: ${error.message}.`);
  const scale = (signal: string, by: number) =>
    void supervisor
      .scale((present) => Math.max(1, present + by))
      .then(({ exitCode, line }) => exitCode === EXIT.done || log.info(`${signal}: ${line}.`))
      .catch(report(signal));
  const actions: Partial<Record<NodeJS.Signals, () => void>> = {
    SIGTERM: () => stop('SIGTERM'),
    SIGINT: () => stop('SIGINT'),
    SIGHUP() {
      if (!terminal.hangsUp) void supervisor.restart().catch(report('SIGHUP'));
      else if (startedByNohup(process.env))
        log.info('The terminal went away: SIGHUP is ignored, since `nohup` has started this supervisor.');
      else stop('SIGTERM');
    },
    SIGUSR2: () => supervisor.hammer(),
    // A watched program has one worker, and the terminal uses these two for a job in the background.
    ...(!watches && {
      SIGTTIN: () => scale('SIGTTIN', 1),
      SIGTTOU: () => scale('SIGTTOU', -1),
    }),
  };
  for (const [signal, action] of Object.entries(actions)) process.on(signal, action);
}
