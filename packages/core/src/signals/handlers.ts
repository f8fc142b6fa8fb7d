import type { World } from '../world.js';
import { HOOKABLE_SIGNALS, type HookableSignal } from './signals.js';

/** The installed listener of a signal, and how to remove it. */
interface Installed {
  readonly listener: () => void;
  stop(): void;
}

/** The signal listeners of this process: one per signal, however many servers it has. */
export class SignalHandlers {
  readonly #world: World;
  readonly #onSignal: (signal: HookableSignal) => void;
  #installed: Map<HookableSignal, Installed> | undefined;
  #unwatch = () => {};

  constructor(world: World, onSignal: (signal: HookableSignal) => void) {
    this.#world = world;
    this.#onSignal = onSignal;
  }

  /** Whether the handlers are installed. */
  get installed(): boolean {
    return this.#installed !== undefined;
  }

  /** Whether this is the installed listener of a signal. */
  owns(listener: unknown): boolean {
    return [...(this.#installed?.values() ?? [])].some((installed) => installed.listener === listener);
  }

  /**
   * Listens to the wanted signals and to no other. An installed listener stays: a signal that arrives between
   * an `off` and an `on` would be lost.
   */
  listen(wanted: (signal: HookableSignal) => boolean, kept: (signal: HookableSignal) => boolean): void {
    this.#installed ??= new Map();
    this.#unwatch();
    for (const signal of HOOKABLE_SIGNALS) {
      const installed = this.#installed.get(signal);
      if (wanted(signal) && !installed) {
        const listener = () => this.#onSignal(signal);
        const stop = this.#world.onSignal(signal, listener);
        this.#installed.set(signal, { listener, stop });
      }
      if (!wanted(signal) && installed) {
        this.#installed.delete(signal);
        installed.stop();
      }
    }
    this.#unwatch = this.#keep(kept);
  }

  /** Removes every handler. */
  stop(): void {
    const installed = this.#installed;
    this.#installed = undefined;
    this.#unwatch();
    for (const { stop } of installed?.values() ?? []) stop();
  }

  /**
   * Installs a kept listener again when the application removes all: else the signal would end the process.
   */
  #keep(kept: (signal: HookableSignal) => boolean): () => void {
    const { signals } = this.#world;
    const onRemoved = (signal: HookableSignal, listener: unknown) => {
      const installed = this.#installed?.get(signal);
      if (!installed || installed.listener !== listener) return;
      if (kept(signal)) this.#world.onSignal(signal, installed.listener);
    };
    // Before Node's own listener, which stops watching a signal that has no listener.
    signals.prependListener('removeListener', onRemoved);
    return () => signals.off('removeListener', onRemoved);
  }
}
