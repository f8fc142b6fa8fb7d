import { labelOf } from '../supervisor/held-sockets.js';
import type { Supervisor } from '../supervisor/supervisor.js';
import type { Slot } from '../workers/slot.js';
import type { Worker } from '../workers/worker.js';

/** What `GET /status` answers. */
export interface Status {
  pid: number;
  state: 'starting' | 'running' | 'restarting' | 'degraded' | 'mixed' | 'stopping';
  node: string;
  script: string;
  startedAt: string;
  workers: { target: number; ready: number; old: number };
  addresses: { address: string }[];
  worker: WorkerStatus[];
  draining: { index: number; pid: number; generation: number; hammerMs: number | null }[];
  lastRestart: { at: string; result: string; durationMs: number; error: string | null } | null;
}

/** One worker in the status. */
export interface WorkerStatus {
  index: number;
  pid: number | null;
  generation: number | null;
  state: 'starting' | 'ready' | 'stalled' | 'draining' | 'waiting';
  uptimeMs: number | null;
  /** Bytes of resident memory, as of its last answer to a ping. */
  rss: number | null;
  restarts: { crash: number; memory: number; age: number; stall: number };
  nextStartMs: number | null;
  lastExit: { code: number | null; signal: string | null } | null;
}

/** The state of a supervisor and its workers now. */
export function statusOf(supervisor: Supervisor): Status {
  const { slots, target, ready, release, sockets, startedAt, restarts } = supervisor;
  const old = slots.filter(({ current }) => current && current.release.id !== release.id).length;
  return {
    pid: process.pid,
    state: stateOf(supervisor, old),
    node: process.version,
    script: release.script,
    startedAt: startedAt.toISOString(),
    workers: { target, ready, old },
    addresses: sockets.all().map(({ bound }) => ({ address: labelOf(bound) })),
    worker: slots.map(workerStatus),
    draining: slots.flatMap(({ living, current, candidate }) =>
      [...living].filter((worker) => worker !== current && worker !== candidate).map(drainStatus),
    ),
    lastRestart: restarts.last
      ? {
          at: restarts.last.at.toISOString(),
          result: restarts.last.result,
          durationMs: restarts.last.durationMs,
          error: restarts.last.error ?? null,
        }
      : null,
  };
}

function stateOf({ stopping, restarts, ready, target, everReady }: Supervisor, old: number): Status['state'] {
  if (stopping) return 'stopping';
  if (!everReady) return 'starting';
  if (restarts.step !== undefined) return 'restarting';
  if (ready < target) return 'degraded';
  return old > 0 ? 'mixed' : 'running';
}

function workerStatus({ index, current, replacedBy, respawn, lastCrash }: Slot): WorkerStatus {
  const now = performance.now();
  const state = current?.state;
  return {
    index,
    pid: current?.pid ?? null,
    generation: current?.generation ?? null,
    state: state === undefined || state === 'gone' ? 'waiting' : current?.pulse.stalled ? 'stalled' : state,
    uptimeMs: current ? Math.round(now - current.startedAt) : null,
    rss: current?.pulse.last?.rss ?? null,
    restarts: replacedBy,
    nextStartMs: respawn.at === undefined ? null : Math.max(0, Math.round(respawn.at - now)),
    lastExit: lastCrash ?? null,
  };
}

function drainStatus({ index, pid, generation, deadline }: Worker): Status['draining'][number] {
  const hammerMs = deadline === undefined ? null : Math.max(0, Math.round(deadline - performance.now()));
  return { index, pid, generation, hammerMs };
}
