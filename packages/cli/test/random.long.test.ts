import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startLoad } from '@endless/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { getJson, order } from '../dist/control/client.js';
import type { Status } from '../dist/control/status.js';
import { fixture, run, temporaryFolder, until } from './program.js';

const { RANDOM_SEED = String(Date.now() % 100_000), RANDOM_STEPS = '80', RANDOM_LOG } = process.env;
const STEPS = Number(RANDOM_STEPS);
/** A busy machine takes its time for a rolling restart of 4 workers, and for the one that follows it. */
const PATIENCE = 120_000;

/** A number from 0 to 1 at each call, the same ones for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A link to a release of a program, which a deploy switches: one is good, and the other throws. */
function deploysOf(program: string): { file: string; good(): void; broken(): void } {
  const folder = temporaryFolder();
  const releases = {
    good: `await import(${JSON.stringify(program)});`,
    broken: `throw new Error('broken');`,
  };
  for (const [name, text] of Object.entries(releases)) {
    mkdirSync(path.join(folder, name));
    writeFileSync(path.join(folder, name, 'server.mjs'), text);
  }
  const deploy = (name: string) => {
    symlinkSync(name, path.join(folder, 'next'));
    renameSync(path.join(folder, 'next'), path.join(folder, 'current'));
  };
  deploy('good');
  return {
    file: path.join(folder, 'current/server.mjs'),
    good: () => deploy('good'),
    broken: () => deploy('broken'),
  };
}

test(
  `${STEPS} random operations under load refuse no connection (seed ${RANDOM_SEED})`,
  async () => {
    const random = randomOf(Number(RANDOM_SEED));
    const deploy = deploysOf(fixture('endless.mjs'));
    const served = await run('endless.mjs', {
      flags: ['--workers', '2'],
      maxProcesses: 24,
      file: deploy.file,
    });
    const { program, port, socket } = served;
    const status = () => getJson<Status>(socket, '/status');
    await until(async () => (await status()).addresses.length > 0);
    const settled = async () => ['running', 'mixed'].includes((await status()).state);
    const quiet = () => {};
    const began = Date.now();
    const loads = [
      startLoad({ port, connections: 8, mode: 'keep-alive', thinkTime: () => 5 }),
      startLoad({ port, connections: 3, mode: 'new-connection', thinkTime: () => 5 }),
    ];
    const story: string[] = [];
    // To find what was under way when a request was lost, or when a step took too long.
    onTestFinished(() => {
      if (RANDOM_LOG === undefined) return;
      const lost = loads.flatMap((load) => load.lost);
      const when = lost.map(({ reason, at }) => `${reason} at ${new Date(began + at).toISOString()}`);
      writeFileSync(
        RANDOM_LOG,
        `${[...when, `${story.length}: ${story.join()}`].join('\n')}\n${program.stderr}`,
      );
    });
    let kills = 0;
    const operations: Record<string, () => Promise<unknown>> = {
      restart: async () => expect(await order(socket, '/restart', {}, quiet)).toBe(0),
      hangup: async () => program.signal('SIGHUP'),
      scale: () => order(socket, '/scale', { to: 1 + Math.floor(random() * 4) }, quiet),
      crash: async () => {
        const { worker } = await status();
        const { pid, uptimeMs } = worker[Math.floor(random() * worker.length)] ?? {};
        // A worker that crashes right after its start is not started again at once.
        if (typeof pid !== 'number' || Number(uptimeMs) < 1_800 || !program.pids().includes(pid)) return;
        try {
          program.signal('SIGKILL', pid);
          kills += 1;
        } catch {
          // A restart has ended it just now.
        }
      },
      broken: async () => {
        await until(settled, PATIENCE);
        deploy.broken();
        expect(await order(socket, '/restart', {}, quiet)).toBe(1);
        deploy.good();
      },
    };
    const names = Object.keys(operations);
    for (let step = 0; step < STEPS; step += 1) {
      const name = names[Math.floor(random() * names.length)] as string;
      story.push(name);
      if (name === 'restart' || name === 'scale') await until(settled, PATIENCE);
      await operations[name]?.();
      await sleep(random() * 300);
    }
    await until(settled, PATIENCE);
    await until(async () => (await status()).draining.length === 0, PATIENCE);
    const reports = await Promise.all(loads.map((load) => load.stop()));
    const reasons = reports.flatMap(({ lostBy }) => [...lostBy.keys()]);
    expect(
      reasons.filter((reason) => reason !== 'reset' && reason !== 'ended'),
      story.join(),
    ).toEqual([]);
    const lost = reports.reduce((sum, { lostCount }) => sum + lostCount, 0);
    expect(lost, story.join()).toBeLessThanOrEqual(kills * 11);
    const { workers } = await status();
    expect(workers.ready).toBe(workers.target);
    await program.waitForPids(workers.target + 1);
  },
  120_000 + STEPS * 4_000,
);
