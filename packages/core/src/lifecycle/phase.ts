import type { Debug } from '../debug.js';
import type { Departure } from '../migrate/departure.js';
import type { ShutdownResult } from '../shutdown/context.js';
import type { Shutdown } from '../shutdown/shutdown.js';
import type { Candidate } from '../takeover/candidate.js';
import type { Probation } from '../takeover/probation.js';

/**
 * Where a process is in its life: `'init'` until it accepts, `'running'` while it does, `'shutting-down'` while it drains,
 * `'terminated'` once it has drained.
 */
export type State = 'init' | 'running' | 'shutting-down' | 'terminated';

/** The phases of a process, each with what exists in that phase alone. */
export type Phase =
  /** No server listens. With `probation`, the predecessor can still roll back. */
  | { readonly name: 'starting'; readonly probation?: Probation }
  /** It claims the addresses of its predecessor and accepts nothing. */
  | { readonly name: 'candidate'; readonly candidate: Candidate }
  /** It accepts, or stands by while it can still roll back. */
  | { readonly name: 'serving'; readonly probation?: Probation }
  | Draining
  /** Its connections are gone: it waits for older processes and exits. */
  | (Omit<Draining, 'name'> & { readonly name: 'drained' });

/** The process drains. It cannot go back. */
export interface Draining {
  readonly name: 'draining';
  readonly shutdown: Shutdown;
  readonly departure: Departure;
  /** Resolves when the process has drained. */
  readonly result: Promise<ShutdownResult>;
  settle(result: ShutdownResult | Promise<never>): void;
  /** A process that stops before it accepts still claims its addresses, so that it does not bind them again. */
  readonly candidate?: Candidate;
  /** The predecessor may have rolled back while this process began to stop. */
  readonly probation?: Probation;
}

const STATES: Record<Phase['name'], State> = {
  starting: 'init',
  candidate: 'init',
  serving: 'running',
  draining: 'shutting-down',
  drained: 'terminated',
};

/** The phases that may follow each phase. */
const NEXT: Record<Phase['name'], readonly Phase['name'][]> = {
  starting: ['candidate', 'serving', 'draining'],
  candidate: ['serving', 'draining'],
  serving: ['starting', 'serving', 'draining'],
  draining: ['draining', 'drained'],
  drained: [],
};

/** The phase of this process: the one place that changes it. */
export class CurrentPhase {
  readonly #debug: Debug;
  #phase: Phase = { name: 'starting' };

  constructor(debug: Debug) {
    this.#debug = debug;
  }

  get current(): Phase {
    return this.#phase;
  }

  get state(): State {
    return STATES[this.#phase.name];
  }

  /** Enters this phase if it may follow; returns whether it does. */
  enter(next: Phase): boolean {
    const { name } = this.#phase;
    if (!NEXT[name].includes(next.name)) {
      this.#debug.ignored(`phase ${next.name}`, name);
      return false;
    }
    this.#debug.phase(STATES[name], STATES[next.name]);
    this.#phase = next;
    return true;
  }

  /** The candidate that waits for `go`, also if it stops before that. */
  get candidate(): Candidate | undefined {
    const candidate = 'candidate' in this.#phase ? this.#phase.candidate : undefined;
    return candidate?.waiting ? candidate : undefined;
  }

  /** What watches this process while its predecessor can still roll back. */
  get probation(): Probation | undefined {
    return 'probation' in this.#phase ? this.#phase.probation : undefined;
  }

  /** What a process owns that drains or has drained. */
  get end(): Omit<Draining, 'name'> | undefined {
    return 'shutdown' in this.#phase ? this.#phase : undefined;
  }
}
