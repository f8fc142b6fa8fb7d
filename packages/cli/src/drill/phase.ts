import { createHistogram } from 'node:perf_hooks';
import type { LossKind } from './losses.js';

/** What a phase of a drill does to the server. */
export type PhaseKind = 'before' | 'restart' | 'kill' | 'scale' | 'failure' | 'stop';

/** What the step of a phase came to. */
export interface StepResult {
  /** Milliseconds until the server or the command had done it. */
  tookMs: number;
  /** Why it did not do what it should; undefined if it did. */
  error: string | undefined;
}

/** The longest latency that a histogram records, in microseconds. */
const LONGEST = 120_000_000;

/** How a request is lost that a killed process held. A crash refuses no connection, and answers no request wrong. */
const HELD: readonly LossKind[] = ['reset', 'closed', 'truncated'];

/** A step of a drill, and what the clients saw from its start to the next one. */
export class Phase {
  readonly name: string;
  readonly kind: PhaseKind;
  /** Milliseconds since the start of the drill. */
  readonly from: number;
  to: number | undefined;
  step: StepResult | undefined;
  answered = 0;
  readonly lostBy = new Map<LossKind, number>();
  /** Connections that the server closed between two requests. */
  closedIdle = 0;
  /** Responses with a close notice on connections that were to stay open. */
  toldToClose = 0;
  /** WebSockets that the server closed, by close code. */
  readonly webSocketsClosed = new Map<number, number>();
  /** When the first and the last connection was refused. */
  refused: { first: number; last: number } | undefined;
  /** In microseconds. */
  readonly latencies = createHistogram({ lowest: 1, highest: LONGEST, figures: 2 });

  constructor(name: string, kind: PhaseKind, from: number) {
    this.name = name;
    this.kind = kind;
    this.from = from;
  }

  /** Whether such a loss does not count here: a SIGKILL may cost what its process held. */
  forgives(kind: LossKind): boolean {
    return this.kind === 'kill' && HELD.includes(kind);
  }

  /** The losses that count, by kind. */
  get counted(): Map<LossKind, number> {
    return new Map([...this.lostBy].filter(([kind]) => !this.forgives(kind)));
  }

  /** The losses that do not count, by kind. */
  get forgiven(): Map<LossKind, number> {
    return new Map([...this.lostBy].filter(([kind]) => this.forgives(kind)));
  }

  /** How many requests are lost, whether they count or not. */
  get lost(): number {
    return totalOf(this.lostBy);
  }

  /** Requests that have got a response or are lost. */
  get requests(): number {
    return this.answered + this.lost;
  }

  answer(latency: number): void {
    this.answered += 1;
    this.latencies.record(Math.min(LONGEST, Math.max(1, Math.round(latency * 1_000))));
  }

  lose(kind: LossKind, at: number): void {
    this.lostBy.set(kind, (this.lostBy.get(kind) ?? 0) + 1);
    if (kind === 'refused') this.refused = { first: this.refused?.first ?? at, last: at };
  }
}

/** How many losses these are. */
export function totalOf(losses: ReadonlyMap<LossKind, number>): number {
  let sum = 0;
  for (const count of losses.values()) sum += count;
  return sum;
}
