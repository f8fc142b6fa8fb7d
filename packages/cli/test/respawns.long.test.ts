import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { fixture, lines, type Run, run, until, workers } from './program.js';

const RESPAWNS = Number(process.env.RESPAWNS ?? 40);
const WORKERS = 4;

interface Figures {
  rss: number;
  heapUsed: number;
  listeners: [string, number][];
  handles: string[];
  descriptors: number;
}

/** What the supervisor holds now. */
async function figuresOf({ program }: Run): Promise<Figures> {
  const after = program.stderr.length;
  program.signal('SIGWINCH');
  const [, text = ''] = await program.waitFor(/figures (.*)/, { from: 'stderr', after });
  return { ...JSON.parse(text), descriptors: readdirSync(`/proc/${program.pid}/fd`).length };
}

test(`${RESPAWNS} respawns and 2 restarts leave nothing in the supervisor`, async () => {
  const served = await run('plain.mjs', {
    flags: ['--workers', String(WORKERS)],
    maxProcesses: 12,
    execArgv: ['--expose-gc', '--import', fixture('figures.mjs')],
  });
  const { program } = served;
  let respawns = 0;
  const settled = async () => {
    await lines(served, /is ready \(/, WORKERS + respawns, 30_000);
    await program.waitForPids(WORKERS + 1);
    // A worker that was ready for a second is started again at once.
    await sleep(1_100);
  };
  const crash = async () => {
    for (const pid of workers(served)) program.signal('SIGKILL', pid);
    respawns += WORKERS;
    await settled();
  };
  await settled();
  // The first rounds fill caches and compile code.
  while (respawns < RESPAWNS / 4) await crash();
  expect(await served.command('restart')).toMatchObject({ code: 0 });
  await program.waitForPids(WORKERS + 1);
  const before = await figuresOf(served);
  while (respawns < RESPAWNS) {
    await crash();
    if (respawns % 100 === 0) console.log(respawns, await figuresOf(served));
  }
  for (let restart = 2; restart <= 3; restart += 1)
    expect(await served.command('restart')).toMatchObject({ code: 0 });
  await program.waitForPids(WORKERS + 1);
  await until(async () => (await figuresOf(served)).descriptors === before.descriptors);
  const { rss, heapUsed, ...exact } = await figuresOf(served);
  expect(exact).toEqual({ ...before, rss: undefined, heapUsed: undefined });
  expect(heapUsed - before.heapUsed).toBeLessThan(500_000);
});
