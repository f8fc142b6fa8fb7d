import type { WorkerCounts } from '@endless/core/internal';
import { labelOf } from '../supervisor/held-sockets.js';
import type { Supervisor } from '../supervisor/supervisor.js';
import { VERSION } from '../version.js';
import type { Slot } from '../workers/slot.js';
import type { Worker } from '../workers/worker.js';
import { queueOf } from './accept-queue.js';

/** What `GET /status` answers. */
export interface Status {
  pid: number;
  state: 'starting' | 'running' | 'restarting' | 'degraded' | 'mixed' | 'stopping';
  version: string;
  node: string;
  /** As it was typed. */
  script: string;
  /** The script of the last successful start, with its links resolved. */
  release: string;
  /** The highest generation of a worker. */
  generation: number;
  startedAt: string;
  workers: { target: number; ready: number; old: number };
  /** `queue`: how many connections wait there; `backlog`: how many may. Null if unknown. */
  addresses: { address: string; queue: number | null; backlog: number | null }[];
  worker: WorkerStatus[];
  draining: DrainStatus[];
  lastRestart: {
    at: string;
    result: string;
    durationMs: number;
    moved: number;
    error: string | null;
  } | null;
}

/** What a process holds; null if it is not ready, or does not answer. */
interface HeldStatus {
  connections: number | null;
  /** Those of the connections that are no longer HTTP. */
  upgraded: number | null;
  /** In-flight requests. */
  requests: number | null;
  /** The busy part of the last seconds of its event loop, from 0 to 1. */
  loop: number | null;
}

/** A process that drains, in the status. */
export interface DrainStatus extends HeldStatus {
  index: number;
  pid: number;
  generation: number;
  hammerMs: number | null;
}

/** One worker in the status. */
export interface WorkerStatus extends HeldStatus {
  index: number;
  pid: number | null;
  generation: number | null;
  state: 'starting' | 'ready' | 'stalled' | 'draining' | 'waiting';
  uptimeMs: number | null;
  /** Bytes of resident memory, as of its last answer to a ping. */
  rss: number | null;
  restarts: { crash: number; memory: number; age: number; stall: number };
  nextStartMs: number | null;
  lastExit: { code: number | null; signal: string | null; at: string | null } | null;
}

/** What the processes hold that have answered. */
type Held = ReadonlyMap<Worker | undefined, WorkerCounts>;

/** The state of a supervisor and its workers now. */
export async function statusOf(supervisor: Supervisor): Promise<Status> {
  return pictureOf(supervisor, await heldBy(supervisor.processes));
}

/** Asks each process that can answer what it holds. */
async function heldBy(processes: readonly Worker[]): Promise<Held> {
  const held = new Map<Worker, WorkerCounts>();
  await Promise.all(
    processes.map(async (worker) => {
      if (worker.readyAt === undefined || worker.pulse.stalled) return;
      const counts = await worker.counts.now();
      if (counts) held.set(worker, counts);
    }),
  );
  return held;
}

function pictureOf(supervisor: Supervisor, held: Held): Status {
  const { slots, processes, target, ready, script, release, sockets, startedAt, restarts } = supervisor;
  const old = slots.filter(({ current }) => current && current.release.id !== release.id).length;
  return {
    pid: process.pid,
    state: stateOf(supervisor, old),
    version: VERSION,
    node: process.version,
    script,
    release: release.script,
    generation: Math.max(0, ...slots.map((slot) => serving(slot)?.generation ?? 0)),
    startedAt: startedAt.toISOString(),
    workers: { target, ready, old },
    addresses: sockets.all().map(({ bound, handle, backlog = null }) => {
      return { address: labelOf(bound), queue: queueOf(handle.fd), backlog };
    }),
    worker: slots.map((slot) => workerStatus(slot, held)),
    draining: processes
      .filter((worker) => !slots.some((slot) => slot.current === worker || slot.candidate === worker))
      .map((worker) => drainStatus(worker, held)),
    lastRestart: restarts.last
      ? {
          at: restarts.last.at.toISOString(),
          result: restarts.last.result,
          durationMs: restarts.last.durationMs,
          moved: restarts.last.moved,
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

/** The process that answers: within the rollback window that is the new one. */
function serving({ current, candidate }: Slot): Worker | undefined {
  return candidate?.readyAt === undefined ? current : candidate;
}

function workerStatus(slot: Slot, held: Held): WorkerStatus {
  const { index, replacedBy, respawn, lastCrash } = slot;
  const now = performance.now();
  const worker = serving(slot);
  const state = worker?.state;
  return {
    index,
    pid: worker?.pid ?? null,
    generation: worker?.generation ?? null,
    state: state === undefined || state === 'gone' ? 'waiting' : worker?.pulse.stalled ? 'stalled' : state,
    uptimeMs: worker ? Math.round(now - worker.startedAt) : null,
    rss: worker?.pulse.last?.rss ?? null,
    ...heldStatus(held.get(worker)),
    restarts: replacedBy,
    nextStartMs: respawn.at === undefined ? null : Math.max(0, Math.round(respawn.at - now)),
    lastExit: lastCrash
      ? { code: lastCrash.code, signal: lastCrash.signal, at: lastCrash.at?.toISOString() ?? null }
      : null,
  };
}

function drainStatus(worker: Worker, held: Held): DrainStatus {
  const { index, pid, generation, deadline } = worker;
  const hammerMs = deadline === undefined ? null : Math.max(0, Math.round(deadline - performance.now()));
  return { index, pid, generation, ...heldStatus(held.get(worker)), hammerMs };
}

function heldStatus(counts: WorkerCounts | undefined): HeldStatus {
  const { connections = null, upgraded = null, requests = null, loop = null } = counts ?? {};
  return { connections, upgraded, requests, loop };
}
