import { EndlessError, invalidOption, messageOf, show } from './errors.js';
import type { Log } from './log.js';
import { HOOKABLE_SIGNALS, type HookableSignal, isHookable } from './signals/signals.js';

/** Before or after the action of endless for a signal. */
export type HookPhase = 'pre' | 'post';

/** A function that the application runs before or after that action. */
export type Hook = () => unknown;

/** The application's hooks, in order of registration. */
export class Hooks {
  readonly #log: Log;
  readonly #hooks: { phase: HookPhase; signal: HookableSignal; fn: Hook }[] = [];

  constructor(log: Log) {
    this.#log = log;
  }

  /** Adds a hook and returns its undo; throws if the phase, the signal or the function is invalid. */
  add(phase: HookPhase, signal: HookableSignal, fn: Hook): () => void {
    if (phase !== 'pre' && phase !== 'post') throw invalidOption('phase', phase, "'pre' or 'post'");
    if (!isHookable(signal))
      throw new EndlessError(
        'ERR_ENDLESS_UNKNOWN_SIGNAL',
        `Cannot hook ${show(signal)}: hookable are ${HOOKABLE_SIGNALS.join(', ')}.`,
      );
    if (typeof fn !== 'function') throw invalidOption('fn', fn, 'a function');
    const hook = { phase, signal, fn };
    this.#hooks.push(hook);
    return () => {
      const at = this.#hooks.indexOf(hook);
      if (at >= 0) this.#hooks.splice(at, 1);
    };
  }

  /** Whether a hook is registered for this signal. */
  wants(signal: HookableSignal): boolean {
    return this.#hooks.some((hook) => hook.signal === signal);
  }

  /** Runs the hooks of a phase one after the other; logs the error of one that throws, and goes on. */
  async run(phase: HookPhase, signal: HookableSignal): Promise<void> {
    for (const hook of [...this.#hooks]) {
      if (hook.phase !== phase || hook.signal !== signal) continue;
      try {
        await hook.fn();
      } catch (error) {
        this.#log.error(`A ${phase} hook of ${signal} threw: ${messageOf(error)}`);
      }
    }
  }
}
