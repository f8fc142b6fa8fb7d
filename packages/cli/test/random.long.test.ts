// Random operations on workers under load. The long suite has time for a few of them. More, or the same again:
//   RANDOM_SEED=1 RANDOM_STEPS=500 RANDOM_LOG=story npx vitest run --config vitest.long.config.ts random
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Loss, startLoad } from '@endless/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { getJson, order } from '../dist/control/client.js';
import type { Status, WorkerStatus } from '../dist/control/status.js';
import { fixture, run, temporaryFolder, until } from './program.js';

const { RANDOM_SEED = String(Date.now() % 100_000), RANDOM_STEPS = '30', RANDOM_LOG } = process.env;
const STEPS = Number(RANDOM_STEPS);
/** The longest wait for a rolling restart of 4 workers, and for the one that follows it. */
const PATIENCE = 60_000;
/** How long a worker must have been ready: if it crashes sooner, it is not started again at once. */
const SERVED = 1_500;
/** How soon after the end of a worker its clients have lost what it had in flight. */
const SEEN = 1_000;

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
    const clients = { port, thinkTime: () => 5 };
    const loads = [
      startLoad({ ...clients, connections: 8, mode: 'keep-alive' }),
      startLoad({ ...clients, connections: 3, mode: 'new-connection' }),
    ];
    const began = performance.now();
    const now = () => performance.now() - began;
    const story: string[] = [];
    /** From each kill until the supervisor has seen its end. */
    const kills: { from: number; to: number }[] = [];
    // To find what was under way when a request was lost, or when a step took too long.
    onTestFinished(() => {
      if (RANDOM_LOG === undefined) return;
      const at = (ms: number) => new Date(performance.timeOrigin + began + ms).toISOString();
      const requests = loads.reduce((sum, load) => sum + load.requests, 0);
      const lines = [
        `${story.length} steps, ${Math.round(now() / 1_000)} s, ${requests} requests: ${story.join()}`,
        ...kills.map(({ from, to }) => `killed at ${at(from)}, seen at ${at(to)}`),
        ...loads.flatMap(({ lost }) => lost.map((loss) => `${loss.reason} at ${at(loss.at)}`)),
      ];
      writeFileSync(RANDOM_LOG, `${lines.join('\n')}\n${program.stderr}`);
    });
    /** Asks the supervisor for something; the lines of its answer explain another exit code than this. */
    const asks = async (url: string, body: object, exitCode: number) => {
      const lines: string[] = [];
      const given = await order(socket, url, body, (line) => lines.push(line));
      expect(given, `${url} at ${new Date().toISOString()}: ${lines.join('; ')}`).toBe(exitCode);
    };
    /** Whether another process starts at once if this one crashes. */
    const hasServed = ({ index, state, uptimeMs }: WorkerStatus) => {
      const lines = [...program.stderr.matchAll(/^(\S+) endless \d+ worker (\d+): pid \d+ is ready/gm)];
      const [, time = ''] = lines.findLast(([, , which]) => Number(which) === index) ?? [];
      return state === 'ready' && Number(uptimeMs) > SERVED && Date.now() - Date.parse(time) > SERVED;
    };
    const operations: Record<string, () => Promise<void>> = {
      restart: () => asks('/restart', {}, 0),
      hangup: async () => {
        program.signal('SIGHUP');
        // The supervisor has got the signal by the time it has answered this.
        await status();
      },
      scale: () => asks('/scale', { to: 1 + Math.floor(random() * 4) }, 0),
      // Of a worker, a candidate, or a process that drains.
      crash: async () => {
        const processes = program.pids().filter((pid) => pid !== program.pid);
        const pid = processes[Math.floor(random() * processes.length)];
        if (pid === undefined) return;
        const serves = (await status()).worker.find((each) => each.pid === pid);
        if (serves && !hasServed(serves)) return;
        const from = now();
        try {
          program.signal('SIGKILL', pid);
        } catch {
          // It has exited just now.
          return;
        }
        const ended = async () => {
          const { worker, draining } = await status();
          return !program.pids().includes(pid) && [...worker, ...draining].every((each) => each.pid !== pid);
        };
        await until(ended, PATIENCE);
        kills.push({ from, to: now() });
      },
      broken: async () => {
        deploy.broken();
        await asks('/restart', {}, 1);
        deploy.good();
      },
    };
    const names = Object.keys(operations);
    for (let step = 0; step < STEPS; step += 1) {
      const name = names[Math.floor(random() * names.length)] as string;
      story.push(name);
      // The others come at any moment.
      if (name !== 'hangup' && name !== 'crash') await until(settled, PATIENCE);
      await operations[name]?.();
      await sleep(random() * 300);
    }
    await until(settled, PATIENCE);
    await until(async () => (await status()).draining.length === 0, PATIENCE);
    await Promise.all(loads.map((load) => load.stop()));
    const lost = loads.flatMap((load) => load.lost);
    const byKill = ({ reason, at }: Loss) =>
      ['reset', 'ended'].includes(reason) && kills.some(({ from, to }) => at >= from && at <= to + SEEN);
    expect(
      lost.filter((loss) => !byKill(loss)),
      `lost without a kill: ${story.join()}`,
    ).toEqual([]);
    // A client has one request in flight.
    expect(lost.length, story.join()).toBeLessThanOrEqual(kills.length * 11);
    const { workers, worker } = await status();
    expect(workers.ready).toBe(workers.target);
    await program.waitForPids(workers.target + 1);
    expect(new Set(program.pids())).toEqual(new Set([program.pid, ...worker.map(({ pid }) => pid)]));
  },
  120_000 + STEPS * 4_000,
);
