import type { LossKind } from './losses.js';
import { Phase, type PhaseKind } from './phase.js';
import { Timeline } from './timeline.js';

/** One lost request. */
export interface Loss {
  kind: LossKind;
  /** Milliseconds since the start of the drill. */
  at: number;
  phase: string;
  request: string;
  detail: string;
  /** How many responses the connection had carried before. */
  answeredBefore: number;
}

/** A loss as a client sees it. */
export interface SeenLoss extends Pick<Loss, 'kind' | 'request' | 'detail' | 'answeredBefore'> {
  /** When the request began, by `performance.now()`. */
  since: number;
}

/** The most losses that are kept with their details, without those that a SIGKILL may cost. */
const MOST_KEPT = 100;

/** Counts what the clients of a drill see, by phase. */
export class Ledger {
  readonly phases: Phase[] = [];
  readonly losses: Loss[] = [];
  readonly timeline = new Timeline();
  readonly startedAt = performance.now();
  /** Connections that were opened. */
  opened = 0;

  constructor() {
    this.begin('before', 'before');
  }

  /** Milliseconds since the start of the drill. */
  get now(): number {
    return performance.now() - this.startedAt;
  }

  get current(): Phase {
    return this.phases.at(-1) as Phase;
  }

  /** Ends the phase that runs, and begins another. */
  begin(name: string, kind: PhaseKind): Phase {
    const { now } = this;
    const last = this.phases.at(-1);
    if (last) last.to = now;
    const phase = new Phase(name, kind, now);
    this.phases.push(phase);
    return phase;
  }

  /** Ends the last phase. */
  close(): void {
    this.current.to = this.now;
    this.timeline.close(this.now);
  }

  /** Counts a whole response to a request that began at `since`. */
  answer(since: number): void {
    const latency = performance.now() - since;
    this.current.answer(latency);
    this.timeline.add(this.now, latency);
  }

  /** Counts a lost request. */
  lose({ since, ...loss }: SeenLoss): void {
    const { now } = this;
    // Silence has a cause at its beginning, and every other loss at its end.
    const phase = loss.kind === 'silence' ? this.#at(since - this.startedAt) : this.current;
    phase.lose(loss.kind, now);
    this.timeline.add(now, undefined);
    if (!phase.forgives(loss.kind) && this.losses.length < MOST_KEPT)
      this.losses.push({ ...loss, at: Math.round(now), phase: phase.name });
  }

  /** Counts as lost what has been counted as answered: more bytes came behind the response. */
  revoke(loss: SeenLoss): void {
    this.current.answered -= 1;
    this.lose(loss);
  }

  #at(time: number): Phase {
    return this.phases.findLast(({ from }) => from <= time) ?? (this.phases[0] as Phase);
  }
}
