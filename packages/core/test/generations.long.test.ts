import { startLoad } from '@endless/testkit';
import { expect, test } from 'vitest';
import { ask, open } from './connection.js';
import { getJson, hup, serve, until } from './program.js';

test('a connection opened at generation 0 answers at generation 100, under load', async () => {
  const { program, port } = await serve('app.mjs');
  const idle = await open(port);
  const load = startLoad({ port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
  for (let restart = 0; restart < 100; restart += 1) await hup(program);
  await until(() => load.answers.has('100'));
  const report = await load.stop();
  expect(report.lost).toEqual([]);
  expect(report.opened).toBe(10);
  expect(await ask(idle)).toMatch(/x-generation: 100/i);
});

test('200 generations: descriptors, memory and environment of the newest are those of an early one', async () => {
  const { program, port } = await serve(
    'connections.mjs',
    { rollbackWindow: 0, logger: false },
    { execArgv: ['--expose-gc'], maxProcesses: 12 },
  );
  const load = startLoad({ port, connections: 20, mode: 'keep-alive', thinkTime: () => 10 });
  const sizes: Size[] = [];
  for (let generation = 1; generation <= 200; generation += 1) {
    const newest = program.pids().find((pid) => pid === Number(newestOf(program.stdout)));
    program.signal('SIGHUP', newest as number);
    await until(() => load.answers.has(String(generation)), 15_000);
    await program.waitForPids(1);
    if (generation % 10 === 0) sizes.push(await getJson<Size>(port, '/size'));
  }
  const { lost, opened } = await load.stop();
  expect(lost).toEqual([]);
  expect(opened).toBe(20);
  const [early, late] = [sizes.slice(0, 5), sizes.slice(-5)];
  for (const [name, size] of Object.entries({ early: early[0], late: late[4] }))
    if (size)
      console.log(`${name}: ${size.descriptors} descriptors, ${mb(size.rss)} RSS, ${mb(size.heapUsed)} heap`);
  for (const size of late) {
    expect(size.descriptors).toBeLessThanOrEqual(Math.max(...early.map(({ descriptors }) => descriptors)));
    expect(size.environment).toEqual(early[0]?.environment);
    expect(size.execArgv).toEqual(['--expose-gc']);
  }
  const least = (which: Size[], of: 'rss' | 'heapUsed') => Math.min(...which.map((size) => size[of]));
  expect(least(late, 'heapUsed')).toBeLessThan(least(early, 'heapUsed') * 1.05);
  expect(least(late, 'rss')).toBeLessThan(least(early, 'rss') * 1.1);
});

interface Size {
  rss: number;
  heapUsed: number;
  descriptors: number;
  environment: string[];
  execArgv: string[];
}

/** The pid of the process that was the last to print that it listens. */
function newestOf(stdout: string): string | undefined {
  return [...stdout.matchAll(/listening (\d+) /g)].at(-1)?.[1];
}

function mb(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
