import type { Log } from '../log.js';
import type { ResolvedSettings } from '../settings.js';
import type { HookableSignal } from '../signals/signals.js';
import { outliveTerminal } from '../signals/terminal.js';
import type { Surroundings } from '../supervisor/surroundings.js';

/** Two stop signals within this time count as one: npm and a terminal both deliver the same Ctrl-C. */
const ONE_KEYPRESS = 1_000;

/** What a signal does, and as which signal. */
export interface Effect {
  readonly action: ResolvedSettings['signals'][HookableSignal];
  readonly signal: HookableSignal;
}

/** Whether this signal asks for a restart now. */
export function meansRestart(
  signal: HookableSignal,
  { signals }: ResolvedSettings,
  surroundings: Surroundings | undefined,
): boolean {
  if (signals[signal] !== 'restart') return false;
  const terminal = surroundings?.terminal;
  return signal !== 'SIGHUP' || !terminal?.hangsUp || terminal.outlives;
}

/** What this signal does now; undefined for nothing. SIGHUP of a closed terminal and SIGUSR2 of nodemon stop the process. */
export function effectOf(
  signal: HookableSignal,
  { signals }: ResolvedSettings,
  surroundings: Surroundings | undefined,
  draining: boolean,
  log: Log,
): Effect | undefined {
  const action = signals[signal];
  const terminal = surroundings?.terminal;
  if (signal === 'SIGHUP' && action === 'restart' && terminal?.hangsUp) {
    outliveTerminal();
    if (terminal.outlives) {
      log.info('The terminal went away: SIGHUP is ignored, since `nohup` has started this program.');
      return undefined;
    }
    log.warn('The terminal went away: SIGHUP is taken as SIGTERM.');
    return { action: 'shutdown', signal: 'SIGTERM' };
  }
  if (signal === 'SIGUSR2' && action === 'hammer' && surroundings?.nodemon) {
    // Nodemon signals each process of the tree, and then its child once more.
    if (!draining) log.info('Received SIGUSR2 from nodemon: it is taken as SIGINT.');
    return { action: 'shutdown', signal: 'SIGINT' };
  }
  return { action, signal };
}

/** The stop signals of a process: the second one force-closes. */
export class StopSignals {
  #first: number | undefined;

  /** Whether a stop signal has come. */
  get came(): boolean {
    return this.#first !== undefined;
  }

  /** A stop signal comes now: the first, the same keypress once more, or a second one. */
  next(now: number): 'first' | 'same' | 'second' {
    if (this.#first === undefined) {
      this.#first = now;
      return 'first';
    }
    return now - this.#first < ONE_KEYPRESS ? 'same' : 'second';
  }
}
