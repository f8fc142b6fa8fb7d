import { createHistogram } from 'node:perf_hooks';
import type { DrillFlags } from './flags.js';
import { inTheWayOfServer } from './in-the-way-of-server.js';
import type { Ledger, Loss } from './ledger.js';
import type { LossKind } from './losses.js';
import { type Phase, type PhaseKind, totalOf } from './phase.js';

/** Losses by kind. */
export type LostBy = Partial<Record<LossKind, number>>;

/** What a drill has found; `--json` prints it. Times are milliseconds. */
export interface DrillReport {
  target: string;
  /** Whether no more was lost than `--max-lost` allows, in time, and each step did what it should. */
  passed: boolean;
  /** Why it has not passed. */
  failures: string[];
  startedAt: string;
  durationMs: number;
  requests: number;
  /** Without what a SIGKILL cost. */
  lost: number;
  lostBy: LostBy;
  /** What the worker held that was SIGKILLed. */
  lostToKill: LostBy;
  connections: { opened: number; closedIdle: number; toldToClose: number };
  webSocketsClosed: Record<number, number>;
  latency: { before: Latency; during: Latency };
  phases: PhaseReport[];
  /** What in the program or the server was in the way. */
  inTheWay: string[];
  /** The first losses that count. */
  losses: Loss[];
}

/** Percentiles in milliseconds; null without a response. */
export interface Latency {
  p50: number | null;
  p99: number | null;
  max: number | null;
}

/** One phase of a drill. */
export interface PhaseReport {
  name: string;
  kind: PhaseKind;
  /** Since the start of the drill. */
  fromMs: number;
  toMs: number;
  /** How long the step took; null before the first step. */
  tookMs: number | null;
  /** Why the step did not do what it should. */
  error: string | null;
  requests: number;
  lost: number;
  lostBy: LostBy;
  closedIdle: number;
  toldToClose: number;
  latency: Latency;
}

/** Sums a drill up. `inTheWay` is what is known besides what the clients have seen. */
export function reportOf(
  target: string,
  ledger: Ledger,
  { maxLost, maxP99 }: Pick<DrillFlags, 'maxLost' | 'maxP99'>,
  inTheWay: readonly string[],
): DrillReport {
  const { phases, now } = ledger;
  const lost = add(phases, ({ counted }) => totalOf(counted));
  const during = latencyOf(phases.slice(1).filter(({ kind }) => kind !== 'kill'));
  const failures = phases.flatMap(({ name, step }) =>
    step?.error === undefined ? [] : [`${name}: ${step.error}`],
  );
  if (lost > maxLost) failures.push(`${lost} requests were lost; --max-lost is ${maxLost}`);
  if (maxP99 !== undefined && (during.p99 ?? 0) > maxP99)
    failures.push(`p99 was ${during.p99} ms; --max-p99 is ${maxP99} ms`);
  return {
    ...{ target, passed: failures.length === 0, failures },
    startedAt: new Date(performance.timeOrigin + ledger.startedAt).toISOString(),
    durationMs: Math.round(phases.at(-1)?.to ?? now),
    requests: add(phases, (phase) => phase.requests),
    ...{ lost, lostBy: sumOf(phases.map(({ counted }) => counted)) },
    lostToKill: sumOf(phases.map(({ forgiven }) => forgiven)),
    connections: {
      opened: ledger.opened,
      closedIdle: add(phases, (phase) => phase.closedIdle),
      toldToClose: add(phases, (phase) => phase.toldToClose),
    },
    webSocketsClosed: sumOf(phases.map(({ webSocketsClosed }) => webSocketsClosed)),
    latency: { before: latencyOf(phases.slice(0, 1)), during },
    phases: phases.map(phaseReport),
    inTheWay: [...inTheWay, ...inTheWayOfServer(phases)],
    losses: ledger.losses,
  };
}

function phaseReport(phase: Phase): PhaseReport {
  const { name, kind, from, to = from, step, requests, lost, closedIdle, toldToClose } = phase;
  return {
    ...{ name, kind, fromMs: Math.round(from), toMs: Math.round(to) },
    ...{ tookMs: step?.tookMs ?? null, error: step?.error ?? null },
    ...{
      requests,
      lost,
      lostBy: sumOf([phase.lostBy]),
      closedIdle,
      toldToClose,
      latency: latencyOf([phase]),
    },
  };
}

function latencyOf(phases: readonly Phase[]): Latency {
  const all = createHistogram();
  for (const { latencies } of phases) all.add(latencies);
  if (all.count === 0) return { p50: null, p99: null, max: null };
  const ms = (microseconds: number) => Math.round(microseconds / 10) / 100;
  return { p50: ms(all.percentile(50)), p99: ms(all.percentile(99)), max: ms(all.max) };
}

function sumOf<Key extends string | number>(maps: readonly ReadonlyMap<Key, number>[]): Record<Key, number> {
  const sum = {} as Record<Key, number>;
  for (const map of maps) for (const [key, count] of map) sum[key] = (sum[key] ?? 0) + count;
  return sum;
}

function add(phases: readonly Phase[], of: (phase: Phase) => number): number {
  return phases.reduce((all, phase) => all + of(phase), 0);
}
