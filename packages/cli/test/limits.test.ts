import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, inLongSuite, longTest, rowTest, test } from '@endless/conformance';
import { get, type Load, type LoadResponse, startLoad, testedNodes } from '@endless/testkit';
import { expect } from 'vitest';
import { getJson } from '../dist/control/client.js';
import type { Status } from '../dist/control/status.js';
import { lines, type Run, type RunOptions, run, until, workers } from './program.js';

/** The first worker in the status. */
async function worker(served: Run): Promise<Status['worker'][number]> {
  const { output } = await served.command('status', '--json');
  return (JSON.parse(output) as Status).worker[0] as Status['worker'][number];
}

/** Starts the program; resolves when the supervisor holds its socket, which is 20 ms after it listens. */
async function start(options: RunOptions): Promise<Run> {
  const served = await run('limits.mjs', options);
  await until(async () => (await getJson<Status>(served.socket, '/status')).addresses.length > 0);
  return served;
}

/** Sends a request whose answer, if one comes, does not matter. */
function poke({ port }: Run, path: string): void {
  void get({ port, path, timeout: 20_000 }).catch(() => {});
}

/** Clients that count every connection and request; `path` is what they ask for. */
function clients({ port }: Run, path = '/', onResponse: (response: LoadResponse) => void = () => {}): Load[] {
  const request = () => ({ target: path });
  const common = { port, request, onResponse };
  return [
    startLoad({ ...common, connections: 4, mode: 'keep-alive', thinkTime: () => 60 }),
    startLoad({ ...common, connections: 1, mode: 'new-connection', thinkTime: () => 40 }),
  ];
}

/** Why requests were lost; a crashed process takes along those that it had accepted. */
async function refusals(loads: Load[]): Promise<string[]> {
  const reports = await Promise.all(loads.map((load) => load.stop()));
  return reports
    .flatMap(({ lostBy }) => [...lostBy.keys()])
    .filter((why) => why !== 'reset' && why !== 'ended');
}

/** Lets every load end; none has lost a request, and no kept-alive connection was closed. */
async function expectNoLoss(loads: Load[]): Promise<void> {
  const [kept, fresh] = await Promise.all(loads.map((load) => load.stop()));
  expect([kept?.lost, fresh?.lost]).toEqual([[], []]);
  expect(kept).toMatchObject({ opened: 4, idleClosed: 0, toldToClose: 0 });
}

describe('a worker whose event loop is blocked', () => {
  for (const { major, path: node } of testedNodes())
    rowTest(`is named with its stack and replaced, and no client is refused (Node ${major})`, async () => {
      const served = await start({ node, flags: ['--stall', '600ms'] });
      const [first] = workers(served);
      // On a busy machine it takes longer until the worker has had the CPU time of `--stall`.
      const patient = { port: served.port, timeout: 30_000 };
      const load = [startLoad({ ...patient, connections: 2, mode: 'new-connection' })];
      poke(served, '/spin');
      await lines(served, /is ready/, 2, 25_000);
      expect(await refusals(load)).toEqual([]);
      expect(served.program.stderr).toMatch(
        new RegExp(
          String.raw`worker 0 \(pid ${first}\) has answered no ping for [\d.]+ s \(state R, \d+ % CPU\), ` +
            String.raw`at spinForEver \(.*limits\.mjs:\d+:\d+\) < .*: killing it`,
        ),
      );
      expect(await worker(served)).toMatchObject({ restarts: { crash: 0, stall: 1 } });
    });

  for (const [path, name] of [
    ['/match', 'RegExp.test'],
    ['/sleep', 'Atomics.wait'],
  ] as const)
    longTest(`is named where native code blocks it (${name})`, async () => {
      const served = await start({ flags: ['--stall', '600ms'] });
      poke(served, path);
      await lines(served, /is ready/, 2);
      expect(served.program.stderr).toContain(`at ${name}`);
    });

  longTest('lives on if it answers while another one is killed', async () => {
    const served = await start({ flags: ['--workers', '2', '--stall', '600ms'] });
    await lines(served, /is ready \(2 of 2\)/, 1);
    // A process that is blocked accepts no connection: the other one gets the second request.
    poke(served, '/long-nap');
    await sleep(150);
    const nap = get({ port: served.port, path: '/nap', timeout: 20_000 });
    // The stack of the first takes 2 s, and by then the second has answered.
    await lines(served, /is ready \(2 of 2\)/, 2);
    const { body } = await nap;
    await sleep(300);
    expect((await get({ port: served.port, path: '/' })).status).toBe(200);
    expect(served.program.stderr.match(/has answered no ping .* killing it/g)).toHaveLength(1);
    expect(served.program.pids()).toContain(Number(body));
  });

  longTest('is replaced without a stack if the program has a listener of SIGUSR1', async () => {
    const served = await start({
      flags: ['--stall', '600ms'],
      env: { OWN_USR1: '1' },
    });
    poke(served, '/spin');
    await lines(served, /is ready/, 2);
    expect(served.program.stderr).toMatch(/\(state R, \d+ % CPU\): killing it/);
  });

  longTest('lives on with `--stall 0`, and while its inspector is open', async () => {
    for (const flags of [
      ['--stall', '0'],
      ['--stall', '300ms', '--', 'node', '--inspect=0'],
    ]) {
      const served = await start({ flags });
      poke(served, '/spin');
      await sleep(1_500);
      expect(served.program.stderr).not.toContain('has answered no ping');
    }
  });
});

describe('`--stall` kills no worker', () => {
  test('because the supervisor was stopped, and none that is stopped itself', async () => {
    const served = await start({ flags: ['--stall', '300ms'] });
    const { program } = served;
    const [pid] = workers(served) as [number];
    program.signal('SIGSTOP');
    await sleep(700);
    program.signal('SIGCONT');
    await sleep(200);
    program.signal('SIGSTOP', pid);
    await lines(served, /has answered no ping for .* stopped it: it is not replaced/, 1);
    expect(await worker(served)).toMatchObject({ pid, state: 'stalled' });
    program.signal('SIGCONT', pid);
    await until(async () => (await worker(served)).state === 'ready');
    expect(program.stderr).not.toContain('killing');
  });
});

describe('limits of the size and age of a worker', () => {
  const short = { ENDLESS_SAMPLE_INTERVAL: '100' };
  const times = inLongSuite ? 20 : 1;

  rowTest(`a program that leaks 1 MB a request is replaced ${times} times and loses nothing`, async () => {
    const served = await start({ env: short, flags: ['--max-memory', '100M'] });
    const sizes: number[] = [];
    const loads = clients(served, '/leak', ({ headers }) => sizes.push(Number(headers['x-rss'])));
    await lines(served, /worker 0 is now pid/, times, 120_000);
    await expectNoLoss(loads);
    // What it leaks while its successor starts comes on top.
    expect(Math.max(...sizes) / 2 ** 20).toBeLessThan(400);
    const { restarts, generation } = await worker(served);
    expect(restarts).toMatchObject({ crash: 0, age: 0 });
    expect(restarts.memory).toBeGreaterThanOrEqual(times);
    expect(generation).toBe(restarts.memory);
  });

  longTest('a worker is replaced 20 times at the age of `--max-age`, and loses nothing', async () => {
    const served = await start({ env: short, flags: ['--max-age', '300ms'] });
    const loads = clients(served);
    await lines(served, /worker 0 is now pid/, 20, 120_000);
    await expectNoLoss(loads);
    expect(served.program.stderr).toMatch(/has served for 0\.\d s, the time of --max-age: replacing it/);
    expect((await worker(served)).restarts.age).toBeGreaterThanOrEqual(20);
  });

  longTest('a worker that cannot be replaced serves on, and is tried again', async () => {
    const served = await start({ env: short, flags: ['--max-age', '400ms'] });
    const { pid } = await worker(served);
    served.fault('throw');
    await lines(
      served,
      /serves on, since it could not be replaced: .* exited with status 1 .* Trying again in/,
      1,
    );
    expect((await get({ port: served.port })).body).toBe(String(pid));
    served.fault();
    await lines(served, /worker 0 is now pid/, 1);
  });

  longTest('a restart waits for a replacement that is under way, and a stop does not', async () => {
    const served = await start({
      env: short,
      flags: ['--max-age', '1s'],
      settings: { rollbackWindow: 1_500, idleGrace: 0 },
    });
    await lines(served, /replacing it/, 1);
    await sleep(600);
    expect(await served.command('restart')).toMatchObject({ code: 0 });
    await lines(served, /replacing it/, 2);
    await sleep(600);
    served.program.signal('SIGTERM');
    expect(await served.program.exited).toEqual({ code: 0, signal: null });
    await served.program.waitForPids(0);
  });
});

describe('when memory runs out', () => {
  longTest('the kernel ends a worker before the supervisor, which may have a value of its own', async () => {
    const served = await start({});
    const { program } = served;
    const scoreOf = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));
    const [first] = workers(served) as [number];
    const own = scoreOf(program.pid);
    expect(scoreOf(first)).toBe(Math.min(1_000, own + 200));
    writeFileSync(`/proc/${program.pid}/oom_score_adj`, '500');
    program.signal('SIGKILL', first);
    await lines(served, /is ready/, 2);
    expect(workers(served).map(scoreOf)).toEqual([700]);
  });

  longTest(
    'a worker that aborts at `--max-old-space-size` is replaced, and no client is refused',
    async () => {
      const served = await start({
        flags: ['--workers', '2', '--', 'node', '--max-old-space-size=30'],
      });
      await lines(served, /is ready \(2 of 2\)/, 1);
      await sleep(1_000);
      const loads = clients(served);
      poke(served, '/heap');
      await lines(served, /\) (was killed by SIGABRT|exited with code 134): starting it again\./, 1);
      await lines(served, /is ready \(2 of 2\)/, 2);
      expect(await refusals(loads)).toEqual([]);
    },
  );
});
