import { constants } from 'node:os';
import type { World } from '../world.js';
import { signalExitCount } from './signal-exit.js';
import type { HookableSignal } from './signals.js';

type Listener = ((...args: unknown[]) => unknown) & { listener?: Listener };

/** What {@link OwnListeners} needs from the process. */
export interface OwnListenersContext {
  world: World;
  /** Whether this listener is endless's own. */
  isOurs(listener: unknown): boolean;
  /** Whether the application must not get this signal now. */
  withholds(signal: HookableSignal): boolean;
}

/**
 * The application's own listeners of signals.
 *
 * A gate replaces each listener that may have to wait. The gate has the property `listener`, like the wrapper
 * that `once` makes: so `listeners()` shows the listener itself, and `off` finds it.
 */
export class OwnListeners {
  readonly #context: OwnListenersContext;
  /** The listener behind each gate. */
  readonly #gates = new WeakMap<Listener, Listener>();
  #gated: readonly HookableSignal[] = [];
  #stop: (() => void) | undefined;
  /** The signals that the program has sent itself, by name or number. */
  readonly #raised = new Set<unknown>();
  #stopWatchingRaises: (() => void) | undefined;
  /** Whether every gate lets its signal through. */
  #open = false;

  constructor(context: OwnListenersContext) {
    this.#context = context;
  }

  /** Puts a gate in front of every listener of these signals, also of those that are added later. */
  gate(signals: readonly HookableSignal[]): void {
    this.#gated = signals;
    if (!this.#stop) this.#open = false;
    this.#stop ??= this.#watch();
    for (const signal of signals) this.#gateAll(signal);
  }

  /** Gates no further listener, and lets every signal through. */
  stop(): void {
    this.#open = true;
    this.#gated = [];
    this.#stop?.();
    this.#stop = undefined;
    this.#stopWatchingRaises?.();
    this.#stopWatchingRaises = undefined;
  }

  /** Records which signals the program sends itself: a second one by an operator looks the same. */
  watchRaises(): void {
    this.#stopWatchingRaises ??= this.#context.world.onRaise((signal) => this.#raised.add(signal));
  }

  /** Whether the program has sent itself this signal. */
  hasRaised(signal: HookableSignal): boolean {
    return this.#raised.has(signal) || this.#raised.has(constants.signals[signal]);
  }

  /** How many listeners of the application this signal has that may end the process or wait for something. */
  count(signal: HookableSignal): number {
    return Math.max(0, this.#of(signal).length - signalExitCount());
  }

  /** Their names, for the log. */
  names(signal: HookableSignal): string {
    const names = this.#of(signal).map((listener) => (listener.listener ?? listener).name || 'anonymous');
    return [...new Set(names)].join(', ');
  }

  /**
   * Runs the listeners of the signals in this order. Code that listens to several of them runs once, for the
   * last one: it would take a second call for a second signal.
   */
  run(signals: readonly HookableSignal[]): void {
    this.#open = true;
    const calls = signals.flatMap((signal, at) => {
      const later = signals.slice(at + 1).flatMap((other) => this.#of(other).map(codeOf));
      return this.#of(signal)
        .filter((listener) => !later.includes(codeOf(listener)))
        .map((listener) => ({ signal, listener }));
    });
    // An earlier listener may have removed this one.
    for (const { signal, listener } of calls)
      if (this.#of(signal).includes(listener))
        listener.call(this.#context.world.signals, signal, constants.signals[signal]);
  }

  #of(signal: HookableSignal): Listener[] {
    const { world, isOurs } = this.#context;
    return (world.signals.rawListeners(signal) as Listener[]).filter((listener) => !isOurs(listener));
  }

  #watch(): () => void {
    const { signals } = this.#context.world;
    const onNew = (signal: unknown, listener: unknown) => {
      if (!this.#isGated(signal) || this.#context.isOurs(listener)) return;
      // The listener is not in the list yet, and no signal can arrive before it is.
      process.nextTick(() => this.#gateAll(signal));
    };
    signals.on('newListener', onNew);
    return () => signals.off('newListener', onNew);
  }

  #isGated(signal: unknown): signal is HookableSignal {
    return this.#gated.includes(signal as HookableSignal);
  }

  /** Gates each listener without a gate. Those behind it are added again as well, so that the order stays. */
  #gateAll(signal: HookableSignal): void {
    if (!this.#isGated(signal)) return;
    const { signals } = this.#context.world;
    const listeners = this.#of(signal);
    const first = listeners.findIndex((listener) => !this.#gates.has(listener));
    if (first < 0) return;
    const gates = listeners.slice(first);
    for (const listener of gates) signals.off(signal, listener);
    for (const listener of gates)
      signals.on(signal, this.#gates.has(listener) ? listener : this.#gateOf(signal, listener));
  }

  #gateOf(signal: HookableSignal, behind: Listener): Listener {
    const { world, withholds } = this.#context;
    const gate: Listener = (...args) => {
      if (!this.#open && withholds(signal)) return undefined;
      // The wrapper that `once` makes removes only itself, and the gate is in the list in its place.
      if (behind.listener) world.signals.off(signal, gate);
      return behind.apply(world.signals, args);
    };
    gate.listener = behind.listener ?? behind;
    this.#gates.set(gate, behind);
    return gate;
  }
}

/** The source text of a listener, the same for every object or signal that it was made for. */
function codeOf(listener: Listener): string {
  return String(listener.listener ?? listener);
}
