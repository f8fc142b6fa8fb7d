import type { Hooks } from '../hooks.js';
import type { Log } from '../log.js';
import type { SettingsStore } from '../settings-store.js';
import { OwnEnd } from '../shutdown/own-end.js';
import { SignalHandlers } from '../signals/handlers.js';
import { OwnListeners } from '../signals/own-listeners.js';
import { HOOKABLE_SIGNALS, type HookableSignal } from '../signals/signals.js';
import type { Surroundings } from '../supervisor/surroundings.js';
import type { World } from '../world.js';
import { meansRestart } from './signals.js';

/** What the listeners need of the process whose signals they get. */
export interface ListenersContext {
  world: World;
  settings: SettingsStore;
  hooks: Hooks;
  log: Log;
  /** What has started this process, once that is known. */
  surroundings(): Surroundings | undefined;
  /** A signal has come. */
  onSignal(signal: HookableSignal): void;
  /** Whether this process can be replaced now or at another moment. */
  mayEverRestart(): boolean;
}

/** The listeners to the signals of this process: endless's, and those of the application behind it. */
export class Listeners {
  readonly own: OwnListeners;
  readonly ownEnd: OwnEnd;
  readonly #context: ListenersContext;
  readonly #handlers: SignalHandlers;
  #saidWithheld = false;

  constructor(context: ListenersContext) {
    this.#context = context;
    const { world, settings, log } = context;
    this.#handlers = new SignalHandlers(world, (signal) => context.onSignal(signal));
    this.own = new OwnListeners({
      world,
      isOurs: (listener) => this.#handlers.owns(listener),
      withholds: (signal) =>
        meansRestart(signal, settings.current, context.surroundings()) && context.mayEverRestart(),
    });
    this.ownEnd = new OwnEnd({
      ...{ world, settings, log },
      listeners: this.own,
      stopListening: () => this.stop(),
    });
  }

  /** Listens to the right signals after a hook or a setting has changed which those are. */
  listenToWanted(): void {
    if (this.#handlers.installed) this.listen();
  }

  /** Listens to each signal that has an effect or a hook. */
  listen(): void {
    const { hooks, settings } = this.#context;
    const { signals } = settings.current;
    const restarts = HOOKABLE_SIGNALS.filter((signal) => signals[signal] === 'restart');
    this.#handlers.listen(
      (signal) => signals[signal] !== false || hooks.wants(signal),
      (signal) => restarts.includes(signal),
    );
    this.own.gate(restarts);
  }

  /** Stops listening: from now on only the application's listeners get signals. */
  stop(): void {
    this.#handlers.stop();
    this.own.stop();
  }

  /** Logs once which listeners of the application do not run now. */
  sayWithheld(): void {
    if (this.#saidWithheld) return;
    const { settings, log } = this.#context;
    for (const signal of HOOKABLE_SIGNALS) {
      const count = this.own.count(signal);
      if (settings.current.signals[signal] !== 'restart' || count === 0) continue;
      this.#saidWithheld = true;
      const when = settings.current.ownListeners ? 'run once this process has been replaced' : 'do not run';
      log.info(
        `${signal} restarts this process. The application's own listeners of it ${when}: ${count} (${this.own.names(signal)}).`,
      );
    }
  }
}
