import { setTimeout as delay } from 'node:timers/promises';
import { freePort, type LossReason } from '@endless/testkit';
import type { Variant } from './app-source.js';
import { CLIENTS, type Clients, startClients } from './load-mix.js';
import { RunningApp } from './running-app.js';

/** One version of the app, and what became of it. */
export interface Generation {
  version: string;
  pid: number;
  requests: number;
  /** How long the restart took that brought it; undefined for the first. */
  restartMs: number | undefined;
}

/** Where a drill stands. */
export interface Snapshot {
  elapsedMs: number;
  requests: number;
  lost: number;
  /** Answers by version. */
  answers: Map<string, number>;
}

/** What a drill has shown. */
export interface DrillResult extends Snapshot {
  variant: Variant;
  generations: Generation[];
  /** Connections that the kept-alive clients, and the others, have opened. */
  opened: { keptAlive: number; fresh: number };
  /** Lost requests by reason. */
  lostBy: Map<LossReason, number>;
}

/** A drill that runs. */
export interface Drill {
  snapshot(): Snapshot;
  finished: Promise<DrillResult>;
  /** Ends it at once. */
  stop(): Promise<void>;
}

/** Whether the restarts were unnoticed: no request was lost, and each keep-alive client needed only one connection. */
export function unnoticed({ lost, opened }: DrillResult): boolean {
  return lost === 0 && opened.keptAlive === CLIENTS.keptAlive;
}

/** The number of restarts of a drill. */
export const RESTARTS = 5;

/** Puts the app under load and restarts it five times, each time with a changed source. */
export async function startDrill(
  variant: Variant,
  onGeneration: (generation: Generation) => void,
): Promise<Drill> {
  const app = new RunningApp(variant, await freePort());
  let clients: Clients | undefined;
  const startedAt = performance.now();

  const snapshot = (): Snapshot => {
    const loads = clients ? [clients.keptAlive, clients.fresh] : [];
    return {
      elapsedMs: performance.now() - startedAt,
      requests: loads.reduce((all, { requests }) => all + requests, 0),
      lost: loads.reduce((all, { lostCount }) => all + lostCount, 0),
      answers: sum(loads.flatMap(({ answers }) => [...answers])),
    };
  };

  const run = async (): Promise<DrillResult> => {
    const generations: Generation[] = [];
    const begun = (version: number, restartMs?: number) => {
      const generation = { version: `v${version}`, pid: app.pid, requests: 0, restartMs };
      generations.push(generation);
      onGeneration(generation);
    };
    try {
      await app.start(1);
      begun(1);
      clients = startClients(app.port);
      const { keptAlive, fresh } = clients;
      await delay(SOAK);
      for (let version = 2; version <= RESTARTS + 1; version++) {
        begun(version, await app.restart(version));
        await delay(SOAK);
      }
      await Promise.all([keptAlive.stop(), fresh.stop()]);

      const result = snapshot();
      for (const generation of generations) {
        generation.requests = result.answers.get(generation.version) ?? 0;
      }
      return {
        ...result,
        variant,
        generations,
        opened: { keptAlive: keptAlive.opened, fresh: fresh.opened },
        lostBy: sum([...keptAlive.lostBy, ...fresh.lostBy]),
      };
    } finally {
      // Before the app, so that no client counts its end as a loss.
      await Promise.all([clients?.keptAlive.stop(), clients?.fresh.stop()]);
      await app.stop();
    }
  };

  return { snapshot, finished: run(), stop: () => app.stop() };
}

/** How long each version serves before the next restart, in milliseconds. */
const SOAK = 2200;

function sum<Key>(counts: readonly [Key, number][]): Map<Key, number> {
  const all = new Map<Key, number>();
  for (const [key, count] of counts) all.set(key, (all.get(key) ?? 0) + count);
  return all;
}
