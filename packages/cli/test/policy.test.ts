// The tables "Exit code" and "Failure policy" of `endless run`: each row on real processes.
import { once } from 'node:events';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, rowsOf, rowTest } from '@endless/conformance';
import { get } from '@endless/testkit';
import { expect } from 'vitest';
import { getJson as getStatus, order } from '../dist/control/client.js';
import type { Status } from '../dist/control/status.js';
import {
  getJson,
  lines,
  type Run,
  type RunOptions,
  run,
  temporaryFolder,
  until,
  workers,
} from './program.js';

const statusOf = async ({ command }: Run) => JSON.parse((await command('status', '--json')).output) as Status;
const pidOf = async ({ port }: Run) => (await getJson<{ pid: number }>(port, '/')).pid;
/** Two workers, of which the second alone has the faults. */
const second = { flags: ['--workers', '2'], env: { FAULT_WORKER: '1' } };

/** Starts two workers, and waits until both are ready. */
async function two(options: RunOptions = {}): Promise<Run> {
  const served = await run('endless.mjs', { flags: ['--workers', '2'], maxProcesses: 10, ...options });
  await lines(served, /is ready \(2 of 2\)/, 1);
  return served;
}

/** A first start: the fault, the flags, the exit code of the run. */
const FIRST_STARTS: [fault: string, code: number, flags?: string[]][] = [
  ['exit 3', 3],
  ['throw', 1],
  ['exit 0', 0],
  ['SIGKILL', 137],
  ['hang', 137, ['--start-timeout', '1s']],
];

describe('a first start that fails', () => {
  for (const [fault, code, flags] of rowsOf(FIRST_STARTS, ([fault]) => fault === 'exit 3'))
    rowTest(`by \`${fault}\` ends the run with code ${code}, without another try`, async () => {
      const file = path.join(temporaryFolder(), 'fault');
      writeFileSync(file, fault);
      const { program } = await run('plain.mjs', {
        env: { FAULT_FILE: file },
        ready: /(?:)/,
        ...(flags && { flags }),
      });
      expect(await program.exited).toEqual({ code, signal: null });
      expect(program.stderr).not.toContain('starting it again');
      await program.waitForPids(0);
    });
});

/** A restart whose successor fails: the fault, the exit code, the reason. The canary is worker 0. */
const RESTARTS: [fault: string, code: number, why: RegExp, settings?: object][] = [
  ['throw', 1, /exited with status 1 before it was ready/],
  ['SIGKILL', 1, /was ended by SIGKILL before it was ready/],
  [
    'hang',
    1,
    /was not ready within `startTimeout`|listened on none of the inherited/,
    { startTimeout: 4_000 },
  ],
  ['unhealthy', 1, /failed its `healthCheck`/],
  ['die soon', 1, /exited with status 7 within the rollback window/, { rollbackWindow: 1_000 }],
];

describe('a restart to a release', () => {
  for (const [fault, code, why, settings] of rowsOf(RESTARTS, ([fault]) => fault === 'throw'))
    rowTest(`whose canary fails (${fault}) changes nothing: exit code ${code} and the reason`, async () => {
      const served = await run('endless.mjs', { settings: settings ?? {} });
      const before = await pidOf(served);
      served.fault(fault);
      const { code: given, output } = await served.command('restart');
      expect(output).toMatch(why);
      expect(given).toBe(code);
      expect(await pidOf(served)).toBe(before);
      expect(await statusOf(served)).toMatchObject({ state: 'running', lastRestart: { result: 'failed' } });
      served.fault();
      expect(await served.command('restart')).toMatchObject({ code: 0 });
      expect(await pidOf(served)).not.toBe(before);
      await served.program.waitForPids(2);
    });

  for (const [fault, , why, settings] of rowsOf(RESTARTS, () => false))
    rowTest(
      `whose later worker fails (${fault}) is mixed: exit code 4, and the next begins with it`,
      async () => {
        const served = await two({ ...second, settings: settings ?? {} });
        const before = workers(served);
        served.fault(fault);
        const { code, output } = await served.command('restart');
        expect(output).toMatch(why);
        expect(output.match(/Trying again in \d s/g)).toEqual(['Trying again in 1 s', 'Trying again in 4 s']);
        expect(output).toContain('1 of 2 workers are new');
        expect(code).toBe(4);
        expect((await served.command('status')).code).toBe(1);
        const { state, worker, workers: count } = await statusOf(served);
        expect([state, count.old]).toEqual(['mixed', 1]);
        expect(worker.map(({ pid }) => pid === before[0])).toEqual([false, false]);
        expect(worker[1]?.pid).toBe(before[1]);
        served.fault();
        const mended = await served.command('restart');
        expect(mended.code).toBe(0);
        expect(mended.output).toMatch(/worker 1 is now pid \d+ \(1 of 2\)/);
        expect(await statusOf(served)).toMatchObject({ state: 'running', workers: { ready: 2, old: 0 } });
        await served.program.waitForPids(3);
      },
    );
});

/** An order to the supervisor: the exit code that its command would have, and the lines so far. */
function ask({ socket }: Run, url: string, body: object = {}): { code: Promise<number>; lines: string[] } {
  const lines: string[] = [];
  return { code: order(socket, url, body, (line) => lines.push(line)), lines };
}

/** Waits until the supervisor has begun with an order. */
const begun = ({ lines }: ReturnType<typeof ask>) => until(() => lines.length > 0);

/** What happens while a restart is under way, and what has become of both. The fault holds its candidate up. */
const DURING: [name: string, during: (served: Run, restart: ReturnType<typeof ask>) => Promise<void>][] = [
  [
    'a stop: the candidate is ended, the restart fails, the run ends with 0',
    async ({ program }, restart) => {
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(await restart.code).toBe(1);
      await program.waitForPids(0);
    },
  ],
  [
    'three more restarts: one more follows, and all get its result',
    async (served, restart) => {
      const more = ask(served, '/restart');
      await begun(more);
      expect(more.lines).toEqual(['a restart is under way: one more follows it']);
      served.program.signal('SIGHUP');
      served.program.signal('SIGHUP');
      await sleep(100);
      served.fault();
      expect(await Promise.all([restart.code, more.code])).toEqual([0, 0]);
      await sleep(300);
      const { state, worker } = await statusOf(served);
      expect([state, worker.map(({ generation }) => generation)]).toEqual(['running', [2, 2]]);
    },
  ],
  [
    'changes of the number of workers: they wait, and each counts',
    async (served, restart) => {
      const scale = ask(served, '/scale', { to: '+1' });
      await begun(scale);
      served.program.signal('SIGTTIN');
      await sleep(100);
      expect((await statusOf(served)).workers.target).toBe(2);
      served.fault();
      expect(await restart.code).toBe(0);
      expect([await scale.code, scale.lines[0]]).toEqual([0, 'a restart is under way: this follows it']);
      await until(async () => (await statusOf(served)).workers.ready === 4);
      expect(await statusOf(served)).toMatchObject({ state: 'running', workers: { target: 4 } });
    },
  ],
  [
    'the end of its time: code 5, and it goes on',
    async (served, restart) => {
      expect(await served.command('restart', '--timeout', '200ms')).toMatchObject({
        code: 5,
        output: expect.stringContaining('goes on'),
      });
      served.fault();
      expect(await restart.code).toBe(0);
      await lines(served, /restart: done/, 1);
      await until(async () => (await statusOf(served)).state === 'running');
    },
  ],
  [
    'a crash of the worker that is replaced: code 1, and its release is started again at once',
    async (served, restart) => {
      await sleep(1_100);
      const [first, other] = workers(served);
      served.program.signal('SIGKILL', first);
      await sleep(300);
      served.fault();
      expect(await restart.code).toBe(1);
      await until(async () => (await statusOf(served)).state === 'running');
      expect(workers(served)[1]).toBe(other);
      expect(served.program.stderr).toMatch(/worker 0 \(pid \d+\) .*: starting it again\.$/m);
    },
  ],
  [
    'a crash of its candidate: nothing has changed',
    async (served, restart) => {
      const before = workers(served);
      const known = [served.program.pid, ...before];
      served.program.signal(
        'SIGKILL',
        served.program.pids().find((pid) => !known.includes(pid)),
      );
      served.fault();
      expect(await restart.code).toBe(1);
      expect(restart.lines.join()).toContain('was ended by SIGKILL before it was ready');
      expect((await statusOf(served)).worker.map(({ pid }) => pid)).toEqual(before);
    },
  ],
  [
    'a crash of another worker: it is replaced at once, and restarted when its turn comes',
    async (served, restart) => {
      await sleep(1_100);
      served.program.signal('SIGKILL', workers(served)[1]);
      await lines(served, /worker 1 .* starting it again\./, 1);
      served.fault();
      expect(await restart.code).toBe(0);
      const { state, worker, workers: count } = await statusOf(served);
      expect([state, count.old, worker.map(({ restarts }) => restarts.crash)]).toEqual([
        'running',
        0,
        [0, 1],
      ]);
    },
  ],
];

describe('during a restart', () => {
  for (const [name, during] of rowsOf(DURING, (_row, at) => at === 1))
    rowTest(name, async () => {
      const served = await two({ settings: { idleGrace: 0 } });
      served.fault('wait');
      const restart = ask(served, '/restart');
      await served.program.waitFor(/\d+ waits/);
      await during(served, restart);
      if (served.program.pids().length > 0)
        await served.program.waitForPids((await statusOf(served)).workers.target + 1);
    });
});

/** What happens to a run, and what the policy says. */
const POLICY: [name: string, row: () => Promise<void>][] = [
  [
    'a restart that is asked for before the first worker is ready follows its start',
    async () => {
      const file = path.join(temporaryFolder(), 'fault');
      writeFileSync(file, 'wait');
      const served = await run('endless.mjs', { env: { FAULT_FILE: file }, ready: /(?:)/ });
      await until(() => served.program.pids().length === 2);
      const restart = ask(served, '/restart');
      await begun(restart);
      expect(restart.lines).toEqual(['the first worker starts: the restart follows']);
      rmSync(file);
      expect(await restart.code).toBe(0);
      expect(await getJson(served.port, '/')).toMatchObject({ generation: 1 });
    },
  ],
  [
    'a restart that is asked for before the first worker is ready replaces the other workers too',
    async () => {
      const file = path.join(temporaryFolder(), 'fault');
      writeFileSync(file, 'wait');
      const served = await run('endless.mjs', {
        flags: ['--workers', '3'],
        env: { FAULT_FILE: file },
        ready: /(?:)/,
        maxProcesses: 10,
      });
      await until(() => served.program.pids().length === 2);
      const restart = ask(served, '/restart');
      await begun(restart);
      rmSync(file);
      expect(await restart.code).toBe(0);
      expect(restart.lines.at(-1)).toMatch(/^worker 2 is now pid \d+ \(3 of 3\)$/);
      expect(await statusOf(served)).toMatchObject({ state: 'running', workers: { ready: 3, old: 0 } });
    },
  ],
  [
    'a restart mends a release whose workers never become ready',
    async () => {
      const served = await run('endless.mjs');
      await sleep(1_100);
      served.fault('hang');
      served.program.signal('SIGKILL', workers(served)[0]);
      const [, hanging] = await served.program.waitFor(/(\d+) hangs/);
      served.fault();
      const restart = ask(served, '/restart');
      await until(async () => (await statusOf(served)).state === 'restarting');
      served.program.signal('SIGKILL', Number(hanging));
      expect(await restart.code).toBe(0);
      expect((await served.command('status')).code).toBe(0);
    },
  ],
  [
    'a crashed worker is started again at once, then after 1, 2 and 4 s',
    async () => {
      const served = await run('endless.mjs');
      await sleep(1_100);
      served.fault('exit 3');
      served.program.signal('SIGKILL', workers(served)[0]);
      await lines(served, /starting it again/, 4);
      const waits = [...served.program.stderr.matchAll(/starting it again(?: in (\S+) s)?\./g)].map(
        ([, seconds = '0']) => Number(seconds),
      );
      for (const [at, wait] of [0, 1, 2, 4].entries()) {
        expect(waits[at]).toBeGreaterThanOrEqual(0.8 * wait - 0.05);
        expect(waits[at]).toBeLessThanOrEqual(1.2 * wait + 0.05);
      }
      // At once: the fourth wait is over in 4 s.
      expect(await getStatus<Status>(served.socket, '/status')).toMatchObject({
        state: 'degraded',
        worker: [{ state: 'waiting', lastExit: { code: 3, signal: null }, restarts: { crash: 4 } }],
      });
      served.fault();
      expect(await served.command('restart')).toMatchObject({ code: 0 });
      expect((await served.command('status')).code).toBe(0);
    },
  ],
  [
    'a respawn that hangs is killed after `--start-timeout`, as a crash',
    async () => {
      const served = await run('endless.mjs', { flags: ['--start-timeout', '1s'] });
      await sleep(1_100);
      served.fault('hang');
      served.program.signal('SIGKILL', workers(served)[0]);
      await lines(served, /was not ready within 1 s: killed/, 1);
      served.fault();
      await lines(served, /is ready/, 2);
      expect((await served.command('status')).code).toBe(0);
    },
  ],
  [
    'a respawn runs the release of the last successful start, and a restart the one that the link names',
    async () => {
      const folder = temporaryFolder();
      for (const name of ['one', 'two', 'broken']) {
        mkdirSync(path.join(folder, name));
        const text = `import { createServer } from 'node:http';
createServer((request, response) => response.end('${name}')).listen(Number(process.env.PORT), '127.0.0.1', () =>
  console.log('listening ' + process.pid + ' 0'),
);`;
        writeFileSync(path.join(folder, name, 'server.mjs'), name === 'broken' ? 'throw 1' : text);
      }
      const deploy = (name: string) => {
        symlinkSync(name, path.join(folder, 'next'));
        renameSync(path.join(folder, 'next'), path.join(folder, 'current'));
      };
      deploy('one');
      const served = await run('', { file: path.join(folder, 'current/server.mjs') });
      const crash = async () => {
        const [before] = workers(served);
        await sleep(1_100);
        served.program.signal('SIGKILL', before);
        await until(() => workers(served)[0] !== before);
        return (await get({ port: served.port })).body;
      };
      deploy('broken');
      expect(await crash()).toBe('one');
      expect((await served.command('restart')).code).toBe(1);
      expect(await crash()).toBe('one');
      deploy('two');
      expect((await served.command('restart')).code).toBe(0);
      deploy('broken');
      expect(await crash()).toBe('two');
    },
  ],
  [
    'a crash of the old worker within the rollback window: its successor serves on, and the restart is done',
    async () => {
      const served = await run('endless.mjs', { settings: { rollbackWindow: 5_000 } });
      const [old] = workers(served);
      const restart = ask(served, '/restart');
      await until(async () => (await pidOf(served)) !== old);
      served.program.signal('SIGKILL', old);
      expect(await restart.code).toBe(0);
      expect(await statusOf(served)).toMatchObject({ state: 'running', lastRestart: { result: 'done' } });
      expect(await pidOf(served)).toBe(workers(served)[0]);
      await served.program.waitForPids(2);
    },
  ],
  [
    'a crash of the old worker whose candidate hangs: the candidate is killed, and the next process serves',
    async () => {
      const served = await run('endless.mjs', { flags: ['--start-timeout', '1500ms'] });
      await sleep(1_100);
      served.fault('block');
      const restart = ask(served, '/restart');
      await served.program.waitFor(/\d+ blocks/);
      served.program.signal('SIGKILL', workers(served)[0]);
      await lines(served, /was not ready within 1.5 s: killed/, 1);
      served.fault();
      expect(await restart.code).toBe(1);
      await until(async () => (await statusOf(served)).state === 'running', 10_000);
      expect(await pidOf(served)).toBe(workers(served)[0]);
      await served.program.waitForPids(2);
    },
  ],
  [
    'a crash of the old worker whose candidate hangs counts for `--give-up`',
    async () => {
      const served = await run('endless.mjs', { flags: ['--start-timeout', '2s', '--give-up', '1s'] });
      served.fault('block');
      void ask(served, '/restart').code.catch(() => {});
      await served.program.waitFor(/\d+ blocks/);
      served.program.signal('SIGKILL', workers(served)[0]);
      await lines(served, /No worker was ready for 1 s: giving up/, 1, 1_700);
    },
  ],
  [
    'the run ends with the code of the worker when none was ready for `--give-up`',
    async () => {
      const served = await run('endless.mjs', { flags: ['--give-up', '1800ms'] });
      served.fault('exit 3');
      served.program.signal('SIGKILL', workers(served)[0]);
      expect(await served.program.exited).toEqual({ code: 3, signal: null });
      await served.program.waitForPids(0);
    },
  ],
  [
    'when the supervisor is killed, the next one has the port at once, while the old workers drain',
    async () => {
      const first = await two({ settings: { idleGrace: 0 } });
      const slow = get({ port: first.port, path: '/slow' });
      await sleep(100);
      first.program.signal('SIGKILL');
      await first.program.exited;
      const next = await run('endless.mjs', {
        env: { PORT: String(first.port) },
        control: first.socket,
      });
      expect(workers(next)).toHaveLength(1);
      expect(await slow).toMatchObject({ status: 200, body: 'slow' });
      await first.program.waitForPids(0);
      const { pid } = await getJson<{ pid: number }>(first.port, '/');
      expect(pid).toBe(workers(next)[0]);
    },
  ],
  [
    'a restart waits for the drain of each old process: at most one process more than usual lives',
    async () => {
      const served = await two({ settings: { rollbackWindow: 100 } });
      const { port, program } = served;
      // Both workers get some of them.
      const slow = Array.from({ length: 12 }, () => get({ port, path: '/slow?8000', timeout: 30_000 }));
      await sleep(300);
      const restart = served.command('restart');
      let most = 0;
      let over = false;
      void restart.then(() => {
        over = true;
      });
      while (!over) {
        most = Math.max(most, program.pids().length);
        await sleep(10);
      }
      expect(await restart).toMatchObject({
        code: 0,
        output: expect.stringContaining('its old process still drains, and the next worker waits'),
      });
      // The supervisor and two workers are usual.
      expect(most).toBe(4);
      for (const response of await Promise.all(slow)) expect(response.body).toBe('slow');
    },
  ],
  [
    'more workers of which none becomes ready: exit code 1, and the number is as before',
    async () => {
      const served = await two();
      served.fault('throw');
      expect(await served.command('scale', '4')).toMatchObject({
        code: 1,
        output: expect.stringContaining('2 are wanted again'),
      });
      expect(await statusOf(served)).toMatchObject({ state: 'running', workers: { target: 2, ready: 2 } });
      await served.program.waitForPids(3);
    },
  ],
  [
    'more workers of which one never becomes ready: exit code 4, and it is tried again',
    async () => {
      const served = await run('endless.mjs', { env: { FAULT_WORKER: '2' } });
      served.fault('throw');
      expect(await served.command('scale', '3')).toMatchObject({
        code: 4,
        output: expect.stringContaining('2 of 3 workers are ready'),
      });
      expect((await served.command('status')).code).toBe(1);
      served.fault();
      await until(async () => (await statusOf(served)).state === 'running', 15_000);
    },
  ],
  [
    'the same number of workers while one crashes at each start: exit code 4, and it is tried again',
    async () => {
      const served = await two({ ...second, flags: ['--workers', '2', '--start-timeout', '1500ms'] });
      served.fault('throw');
      served.program.signal('SIGKILL', workers(served)[1]);
      await until(async () => (await statusOf(served)).workers.ready === 1);
      expect(await served.command('scale', '2')).toMatchObject({
        code: 4,
        output: expect.stringContaining('1 of 2 workers are ready: the others start again'),
      });
      served.fault();
      await until(async () => (await statusOf(served)).state === 'running', 15_000);
      expect((await served.command('scale', '2')).code).toBe(0);
    },
  ],
  [
    'a new worker that goes away again during a restart: the restart is done',
    async () => {
      const served = await run('endless.mjs', {
        flags: ['--start-timeout', '2500ms'],
        env: { FAULT_WORKER: '1' },
      });
      served.fault('wait');
      const more = ask(served, '/scale', { to: 2 });
      await served.program.waitFor(/\d+ waits/);
      expect(await ask(served, '/restart').code).toBe(0);
      expect([await more.code, more.lines.at(-1)]).toEqual([
        1,
        'no new worker became ready: 1 are wanted again',
      ]);
      expect(await statusOf(served)).toMatchObject({ state: 'running', workers: { target: 1, old: 0 } });
    },
  ],
  [
    'fewer workers while more are still starting: the earlier command ends with code 5',
    async () => {
      const served = await run('endless.mjs');
      served.fault('wait');
      const more = ask(served, '/scale', { to: 3 });
      await served.program.waitForPids(4);
      expect(await ask(served, '/scale', { to: 1 }).code).toBe(0);
      expect([await more.code, more.lines.at(-1)]).toEqual([
        5,
        'another command has set the number of workers to 1',
      ]);
      await served.program.waitForPids(2);
    },
  ],
];

describe('the failure policy', () => {
  for (const [name, row] of rowsOf(POLICY, () => false)) rowTest(name, row);
});

/** A connection that is idle: its first request was answered. */
async function idle(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
  await once(socket, 'data');
  return socket;
}

/** What a signal to the supervisor does. */
const SIGNALS: [name: string, row: () => Promise<void>][] = [
  [
    'a second SIGTERM within 1 s is the same one; later it force-closes, with code 1',
    async () => {
      const { program, port } = await run('endless.mjs');
      const slow = get({ port, path: '/slow' });
      const never = get({ port, path: '/never', timeout: 10_000 }).catch(() => 'cut');
      await sleep(100);
      program.signal('SIGTERM');
      await sleep(500);
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow');
      await sleep(300);
      program.signal('SIGTERM');
      expect(await never).toBe('cut');
      expect(await program.exited).toEqual({ code: 1, signal: null });
    },
  ],
  [
    'two stops by command force-close nothing',
    async () => {
      const served = await run('endless.mjs');
      const { program, port } = served;
      const slow = get({ port, path: '/slow?2500', timeout: 10_000 });
      await sleep(100);
      const stops = [ask(served, '/stop')];
      await sleep(1_100);
      stops.push(ask(served, '/stop'));
      expect(await Promise.all(stops.map(({ code }) => code))).toEqual([0, 0]);
      expect((await slow).body).toBe('slow');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    },
  ],
  [
    'a stop while a worker drains that was scaled away force-closes nothing: code 0',
    async () => {
      const served = await two();
      const { program, port } = served;
      // Both workers get some of them.
      const slow = Array.from({ length: 12 }, () => get({ port, path: '/slow?3000' }));
      await sleep(300);
      await begun(ask(served, '/scale', { to: '-1' }));
      await sleep(1_200);
      program.signal('SIGTERM');
      for (const { body } of await Promise.all(slow)) expect(body).toBe('slow');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    },
  ],
  [
    'a stop while a worker drains that got its own SIGTERM force-closes nothing: code 0',
    async () => {
      const served = await run('endless.mjs');
      const { program, port } = served;
      const slow = get({ port, path: '/slow?3000' });
      await sleep(100);
      program.signal('SIGTERM', workers(served)[0]);
      await lines(served, /worker 0: pid \d+ is ready/, 2);
      await sleep(1_100);
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    },
  ],
  [
    'a stop in the `shutdownDelay` of a worker that got its own SIGTERM force-closes nothing: code 0',
    async () => {
      const { program, port } = await run('endless.mjs', { settings: { shutdownDelay: 2_500 } });
      const slow = get({ port, path: '/slow?4500', timeout: 10_000 });
      await sleep(100);
      program.signal('SIGTERM', workers({ program } as Run)[0]);
      await program.waitFor('Received SIGTERM.');
      await sleep(1_200);
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow');
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(program.stderr).not.toContain('second stop signal');
    },
  ],
  [
    'a stop while a worker drains that got its own SIGTERM after `endless.shutdown()` force-closes nothing: code 0',
    async () => {
      const served = await run('endless.mjs');
      const { program, port } = served;
      const [pid] = workers(served);
      const slow = get({ port, path: '/slow?8000', timeout: 20_000 });
      expect((await get({ port, path: '/shutdown' })).status).toBe(200);
      await lines(served, /worker 0: pid \d+ is ready/, 2);
      program.signal('SIGTERM', pid);
      await program.waitFor('Received SIGTERM. This process drains and exits.');
      await sleep(1_200);
      program.signal('SIGTERM');
      expect((await slow).body).toBe('slow');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    },
  ],
  [
    'a stop while a candidate takes over ends it too: code 0, and soon',
    async () => {
      const { program } = await run('endless.mjs', { env: { CANDIDATE: 'stands still' } });
      program.signal('SIGHUP');
      const [, candidate] = await program.waitFor(/candidate (\d+) stands still/);
      const began = performance.now();
      program.signal('SIGTERM');
      await sleep(200);
      program.signal('SIGCONT', Number(candidate));
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(performance.now() - began).toBeLessThan(10_000);
    },
  ],
  [
    '`endless stop --now` force-closes: code 1',
    async () => {
      const { program, port, command } = await run('endless.mjs');
      const never = get({ port, path: '/never', timeout: 10_000 }).catch(() => 'cut');
      await sleep(100);
      expect((await command('stop', '--now')).code).toBe(1);
      expect(await never).toBe('cut');
      expect(await program.exited).toEqual({ code: 1, signal: null });
    },
  ],
  [
    '`endless stop --now` of a worker that has drained, and waits for a timer of its program: code 0',
    async () => {
      const { program, command } = await run('addresses.mjs', { env: { KIND: 'exclusive' } });
      expect((await command('stop', '--now')).code).toBe(0);
      expect(await program.exited).toEqual({ code: 0, signal: null });
    },
  ],
  [
    'SIGINT stops without waiting for idle connections, as SIGTERM does not',
    async () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) {
        const { program, port } = await run('endless.mjs', { settings: { idleGrace: 20_000 } });
        const socket = await idle(port);
        const began = performance.now();
        program.signal(signal);
        if (signal === 'SIGTERM') {
          await sleep(1_500);
          expect(program.pids()).toHaveLength(2);
          socket.destroy();
        }
        expect(await program.exited).toEqual({ code: 0, signal: null });
        expect(performance.now() - began).toBeLessThan(9_000);
      }
    },
  ],
  [
    'SIGUSR2 force-closes what drains, and nothing else',
    async () => {
      const { program, port, command } = await run('endless.mjs');
      const slow = get({ port, path: '/slow' });
      await sleep(100);
      program.signal('SIGUSR2');
      expect((await slow).body).toBe('slow');
      expect((await command('status')).code).toBe(0);
      const never = get({ port, path: '/never', timeout: 10_000 }).catch(() => 'cut');
      await sleep(100);
      program.signal('SIGTERM');
      await sleep(300);
      program.signal('SIGUSR2');
      expect(await never).toBe('cut');
      expect(await program.exited).toEqual({ code: 1, signal: null });
    },
  ],
  [
    'a worker that does not answer is killed soon after the second SIGTERM',
    async () => {
      const { program, port } = await run('endless.mjs');
      void get({ port, path: '/block' }).catch(() => {});
      await sleep(200);
      program.signal('SIGTERM');
      await sleep(1_100);
      program.signal('SIGTERM');
      await lines({ program } as Run, /did not exit in time: killed/, 1, 4_000);
      expect(await program.exited).toEqual({ code: 1, signal: null });
    },
  ],
  [
    'a worker that never becomes ready does not hold a stop up: code 0',
    async () => {
      const file = path.join(temporaryFolder(), 'fault');
      writeFileSync(file, 'hang');
      const { program } = await run('endless.mjs', { env: { FAULT_FILE: file }, ready: /(?:)/ });
      await until(() => program.pids().length === 2);
      await sleep(500);
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    },
  ],
  [
    'SIGTTIN and SIGTTOU count each, and never go below 1',
    async () => {
      const served = await run('endless.mjs', { maxProcesses: 12 });
      const { program } = served;
      for (const count of [2, 3, 4]) {
        program.signal('SIGTTIN');
        await until(async () => (await statusOf(served)).workers.target === count);
      }
      await lines(served, /is ready \(4 of 4\)/, 1);
      for (let count = 0; count < 6; count += 1) {
        program.signal('SIGTTOU');
        await sleep(50);
      }
      await program.waitForPids(2);
      expect(await statusOf(served)).toMatchObject({ state: 'running', workers: { target: 1 } });
    },
  ],
  [
    'SIGUSR1 opens the inspector, SIGWINCH does nothing, SIGQUIT ends the supervisor alone',
    async () => {
      const served = await run('endless.mjs', { execArgv: ['--inspect-port=0'], settings: { idleGrace: 0 } });
      const { program, command } = served;
      program.signal('SIGUSR1');
      await program.waitFor(/Debugger listening/);
      program.signal('SIGWINCH');
      await sleep(200);
      expect((await command('status')).code).toBe(0);
      expect(program.stderr).not.toContain('restart:');
      program.signal('SIGQUIT');
      expect(await program.exited).toEqual({ code: null, signal: 'SIGQUIT' });
      await program.waitForPids(0);
    },
  ],
];

describe('the supervisor', () => {
  for (const [name, row] of rowsOf(SIGNALS, (_row, at) => at === 0)) rowTest(name, row);
});
