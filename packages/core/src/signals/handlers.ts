import type { World } from '../world.js';
import { HOOKABLE_SIGNALS, type HookableSignal } from './signals.js';

/** The signals that this process listens to: one path for the process, however many servers it has. */
export class SignalHandlers {
  readonly #world: World;
  readonly #onSignal: (signal: HookableSignal) => void;
  #stops: Map<HookableSignal, () => void> | undefined;

  constructor(world: World, onSignal: (signal: HookableSignal) => void) {
    this.#world = world;
    this.#onSignal = onSignal;
  }

  /** Whether the handlers are in. */
  get installed(): boolean {
    return this.#stops !== undefined;
  }

  /**
   * Listens to the signals that are wanted and to no other. What is listened to already is left alone: a signal that
   * arrives between an `off` and an `on` would be lost.
   */
  listen(wanted: (signal: HookableSignal) => boolean): void {
    this.#stops ??= new Map();
    for (const signal of HOOKABLE_SIGNALS) {
      const stop = this.#stops.get(signal);
      if (wanted(signal) && !stop)
        this.#stops.set(
          signal,
          this.#world.onSignal(signal, () => this.#onSignal(signal)),
        );
      if (!wanted(signal) && stop) {
        stop();
        this.#stops.delete(signal);
      }
    }
  }

  /** Takes every handler out. */
  stop(): void {
    for (const stop of this.#stops?.values() ?? []) stop();
    this.#stops = undefined;
  }
}
