import { readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { hup, serve, temporaryFolder } from '../conformance/dist/index.js';
import { get } from '../testkit/dist/index.js';

const PROGRAM = path.join(import.meta.dirname, 'worker/server.js');

test('examples/worker: over three restarts and a stop every job is done once, and every pool closed after its last', async () => {
  const folder = temporaryFolder();
  const { program, port } = await serve(
    PROGRAM,
    {},
    { env: { QUEUE: folder }, ready: /serving on .*, generation 0/ },
  );
  const jobs = Array.from({ length: 200 }, (_, n) => `job ${n}`);
  for (const job of jobs) await get({ port, method: 'POST', body: job });

  const pids = [program.pid];
  for (let restart = 0; restart < 3; restart += 1) {
    await program.waitFor(`pid ${pids.at(-1)} has done`);
    pids.push(await hup(program, pids.at(-1)));
  }
  await program.waitFor(`pid ${pids.at(-1)} has done`);
  program.signal('SIGTERM', pids.at(-1));
  const began = performance.now();
  await program.waitForPids(0);
  // Nothing is left that would keep a process until endless ends it, a second later.
  expect(performance.now() - began).toBeLessThan(900);

  const lines = program.stdout.split('\n');
  const done = lines.flatMap((line) => /has done (job \d+)$/.exec(line)?.[1] ?? []);
  expect(new Set(done).size).toBe(done.length);
  expect(readdirSync(path.join(folder, 'done'))).toHaveLength(done.length);
  expect(readdirSync(path.join(folder, 'taken'))).toEqual([]);
  expect(readdirSync(path.join(folder, 'waiting'))).toHaveLength(jobs.length - done.length);
  for (const pid of pids) {
    const own = lines.filter((line) => line.startsWith(`pid ${pid} `));
    expect(own.at(-1)).toBe(`pid ${pid} has closed its pool`);
  }
  const seconds = lines.flatMap((line) => /has the second (\d+)$/.exec(line)?.[1] ?? []);
  expect(seconds.length).toBeGreaterThan(0);
  expect(seconds).toEqual([...new Set(seconds)]);
  expect(program.stderr).not.toMatch(/the pool/);
  await program.waitForPids(0);
});
