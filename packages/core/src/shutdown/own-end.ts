import type { Log } from '../log.js';
import type { SettingsStore } from '../settings-store.js';
import type { OwnListeners } from '../signals/own-listeners.js';
import type { HookableSignal } from '../signals/signals.js';
import type { World } from '../world.js';
import type { Shutdown } from './shutdown.js';

/** What the application's part of the exit needs from the process. */
export interface OwnEndContext {
  world: World;
  listeners: OwnListeners;
  settings: SettingsStore;
  log: Log;
  /** From now on only the application's listeners get signals. */
  stopListening(): void;
}

/** Time that a drained process has to exit by itself, or through listeners that have just run. */
const LEAVE_TIME = 1_000;
/** Time that the application's listeners still get after the deadline. */
const AFTER_DEADLINE = 100;

/** The application's part of the exit: its listeners of stop signals are awaited, or run after a restart. */
export class OwnEnd {
  readonly #context: OwnEndContext;
  /** The signals that the application's listeners have got. */
  readonly #heard = new Set<HookableSignal>();
  /** Whether this process has got a stop signal. */
  #stopped = false;
  /** The signal that the application has raised again after it removed its listeners. */
  #raised: HookableSignal | undefined;
  #end: ((signal: HookableSignal) => void) | undefined;

  constructor(context: OwnEndContext) {
    this.#context = context;
  }

  /**
   * A stop signal has come; the application's listeners, if there are any, get it next. Returns whether the
   * application itself has raised it again: it had listeners, and has removed them.
   */
  heard(signal: HookableSignal): boolean {
    this.#stopped = true;
    const { listeners } = this.#context;
    if (listeners.count(signal) > 0) {
      this.#heard.add(signal);
      listeners.watchRaises();
      return false;
    }
    return this.#raisedAgain(signal);
  }

  /** Whether the application itself has sent this signal after it removed its listeners. */
  hasRaised(signal: HookableSignal): boolean {
    return this.#raised === signal && this.#context.listeners.hasRaised(signal);
  }

  /** A restart signal has come. Returns whether the application raised it again, as this process ends. */
  ends(signal: HookableSignal): boolean {
    return this.#context.listeners.hasRaised(signal) && this.#raisedAgain(signal);
  }

  #raisedAgain(signal: HookableSignal): boolean {
    if (!this.#heard.has(signal) || this.#raised || this.#context.listeners.count(signal) > 0) return false;
    this.#raised = signal;
    this.#end?.(signal);
    return true;
  }

  /** This process has drained: runs the application's due listeners, then exits. Returns whether it waits. */
  begin(ending: Shutdown, exit: () => void): boolean {
    const { world, listeners, stopListening } = this.#context;
    this.#end = (signal) => {
      if (ending.cutRequests) return exit();
      // As without endless: the signal ends a process that no longer has a listener for it.
      stopListening();
      world.raise(signal);
      world.after(LEAVE_TIME, exit);
    };
    const due = this.#due(ending).filter((signal) => listeners.count(signal) > 0);
    if (this.#raised && due.length === 0) {
      this.#end(this.#raised);
      return false;
    }
    for (const signal of due) this.#heard.add(signal);
    if (due.length > 0) listeners.watchRaises();
    if (this.#heard.size === 0) {
      // The application first does what it does once `done` has resolved.
      if (ending.hammered) world.turn(exit);
      else world.after(LEAVE_TIME, exit);
      return false;
    }
    const atLeast = due.length > 0 ? LEAVE_TIME : AFTER_DEADLINE;
    if (ending.hammered) world.after(atLeast, exit);
    // The deadline may have come near, or passed, while this process waited for older ones.
    else if (ending.left >= 0 && ending.left < atLeast) world.after(atLeast, () => this.#giveUp(exit));
    else ending.whenLate(() => this.#giveUp(exit));
    if (due.length > 0) world.turn(() => listeners.run(due));
    // Without another turn, an otherwise idle process would exit before it reads the signal that it raised.
    world.signals.once('beforeExit', () => world.turn(() => {}));
    return true;
  }

  /** The signals whose listeners still have to run. */
  #due({ reason }: Shutdown): HookableSignal[] {
    const { ownListeners, signals } = this.#context.settings.current;
    if (!ownListeners || (reason === 'shutdown' && this.#stopped)) return [];
    const restarts = (Object.keys(signals) as HookableSignal[]).filter(
      (signal) => reason === 'restart' && signals[signal] === 'restart',
    );
    const stopped = this.#heard.has('SIGTERM') || this.#heard.has('SIGINT');
    return stopped || signals.SIGTERM === 'restart' ? restarts : [...restarts, 'SIGTERM'];
  }

  #giveUp(exit: () => void): void {
    const { world, log } = this.#context;
    const signals = [...this.#heard].join(', ');
    log.warn(
      `Exiting: the application's own listeners of ${signals} have not ended this process in time. It was kept alive by ${summaryOf(world.resources())}.`,
    );
    exit();
  }
}

/** Kinds of resources, each with its count. */
function summaryOf(resources: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const kind of resources) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ') || 'nothing that Node.js lists';
}
