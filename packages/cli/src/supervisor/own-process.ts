import type { Log } from '../print/log.js';
import { leaveInspector, wordsOf } from '../program/inspect.js';
import { UsageError } from '../program/program.js';

/** The events whose listeners decide how the supervisor ends. */
const OWN_EVENTS = [
  ...['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU'],
  ...['uncaughtException', 'unhandledRejection'],
];

/** Options that load a module before the program. */
const PRELOAD = /^(?:-r|--(?:require|import|loader|experimental-loader))(?:=(.*))?$/;

/**
 * Keeps what `NODE_OPTIONS` is meant to do to the program away from the supervisor: its inspector port, and the
 * listeners of preloaded modules. Instrumentation often exits at SIGTERM, and the workers would drain alone.
 * Throws {@link UsageError} if endless itself was preloaded and does not know the supervisor.
 */
export function ownProcess(log: Log): void {
  if (hasLifecycle())
    throw new UsageError(
      'NODE_OPTIONS loads @endless/core into the supervisor, where it takes the signals and the sockets. Remove it there: `endless run` loads it into each worker',
    );
  leaveInspector();
  for (const event of OWN_EVENTS) process.removeAllListeners(event);
  const preloads = preloadsIn(wordsOf(process.env.NODE_OPTIONS));
  if (preloads.length > 0)
    log.info(
      `NODE_OPTIONS loads ${preloads.join(' and ')} into the supervisor too, which runs no code of the program. To load it into the workers alone: endless run -- node --require <module> server.js`,
    );
}

/** The modules that these options preload. */
function preloadsIn(options: readonly string[]): string[] {
  return options.flatMap((option, at) => {
    const [found, joined] = PRELOAD.exec(option) ?? [];
    return found === undefined ? [] : [joined ?? options[at + 1] ?? ''];
  });
}

/** Whether a copy of core has made an endless program of this process. One that knows this command does not. */
function hasLifecycle(): boolean {
  const copy = Reflect.get(globalThis, Symbol.for('endless.lifecycle')) as
    | { lifecycle?: { shared?: { surroundings?: object } } }
    | undefined;
  return copy?.lifecycle?.shared?.surroundings !== undefined;
}
