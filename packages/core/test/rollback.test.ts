import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServeOptions } from '@endless/conformance';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { get, type LoadReport, startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { ask, open } from './connection.js';
import {
  getJson,
  hup,
  loggedAt,
  type Served,
  serve as serveFixture,
  temporaryFolder,
  until,
} from './program.js';

/** Serves with the window that is the default; other tests have a shorter one. */
function serve(name: string, settings: object = {}, options?: ServeOptions): Promise<Served> {
  return serveFixture(name, { rollbackWindow: 2_000, ...settings }, options);
}

interface Stats {
  state: string;
  generation: number;
  failedRestarts: number;
}

interface Rollback {
  pid: number;
  generation: number;
  reason: string;
  error: { code: string };
  connections: number;
}

/** The events of the program's processes, in order. */
function events(text: string): string[] {
  return [...text.matchAll(/^event (\S+) (\d+) /gm)].map(([, name, pid]) => `${name} ${pid}`);
}

/** Whether anything has happened that cannot be undone. */
function undone(text: string, pid: number): boolean {
  return new RegExp(`^(event (draining|committed) ${pid} |aborted ${pid}|done ${pid})`, 'm').test(text);
}

/** The connections that were not even taken: a process that has died may have held others. */
function notTaken({ lostBy }: LoadReport): number {
  return (lostBy.get('refused') ?? 0) + (lostBy.get('connect-failed') ?? 0) + (lostBy.get('timeout') ?? 0);
}

describe('a successor that fails within the rollback window', () => {
  test('is rolled back: no connection is refused, nothing final has happened, the next restart works', {
    timeout: 60_000,
  }, async () => {
    const pidFile = path.join(temporaryFolder(), 'pid');
    const { program, port } = await serve('app.mjs', { pidFile });
    const load = startLoad({ port, connections: 10, mode: 'new-connection' });
    for (let death = 1; death <= 3; death += 1) {
      const successor = await hup(program);
      await until(() => readFileSync(pidFile, 'utf8').trim() === String(successor));
      await sleep(Math.random() * 600);
      const after = program.stdout.length;
      program.signal('SIGKILL', successor);
      const [, text] = await program.waitFor(/event rollback \d+ (.*)\n/, { after, from: 'stdout' });
      expect(JSON.parse(text as string)).toMatchObject({
        pid: successor,
        generation: 1,
        error: { code: 'ERR_ENDLESS_SUCCESSOR_EXITED' },
      });
      expect(readFileSync(pidFile, 'utf8').trim()).toBe(String(program.pid));
      expect(await getJson<Stats>(port, '/stats')).toMatchObject({
        state: 'running',
        generation: 0,
        failedRestarts: death,
      });
    }
    expect(undone(program.stdout, program.pid)).toBe(false);
    expect(program.pids()).toEqual([program.pid]);
    await hup(program);
    await until(() => load.answers.has('1'));
    await program.waitFor(`aborted ${program.pid}`);
    const report = await load.stop();
    expect(notTaken(report)).toBe(0);
    expect(report.answers.get('0')).toBeGreaterThan(100);
    await program.waitForPids(1);
  });

  longTest('leaves no descriptor behind', async () => {
    const { program, port } = await serve('app.mjs');
    const descriptors = () => readdirSync(`/proc/${program.pid}/fd`).length;
    const counts: number[] = [];
    for (let death = 0; death < 4; death += 1) {
      const successor = await hup(program);
      program.signal('SIGKILL', successor);
      await until(async () => (await getJson<Stats>(port, '/stats')).failedRestarts === death + 1);
      await sleep(50);
      counts.push(descriptors());
    }
    expect(new Set(counts.slice(1)).size).toBe(1);
  });

  for (const [what, request, reason] of [
    ['exits by itself', '/exit?status=7', 'exited with status 7'],
    ['exits with status 0', '/exit?status=0', 'exited with status 0'],
    ['throws', '/throw', 'exited with status 1'],
  ] as const)
    test(`is replaced when it ${what}`, async () => {
      const { program, port } = await serve('app.mjs');
      await hup(program);
      await get({ port, path: request }).catch(() => {});
      const [, text] = await program.waitFor(/event rollback \d+ (.*)\n/);
      expect((JSON.parse(text as string) as Rollback).reason).toContain(reason);
      expect((await get({ port })).body).toBe('generation 0');
      expect(undone(program.stdout, program.pid)).toBe(false);
    });

  test('is replaced when its health check fails three times in a row, and loses nothing of what it holds', async () => {
    const sick = path.join(temporaryFolder(), 'sick');
    const { program, port } = await serve('app.mjs', { idleGrace: 500 }, { env: { SICK_FILE: sick } });
    const load = startLoad({ port, connections: 10, mode: 'keep-alive' });
    await sleep(200);
    const successor = await hup(program);
    await until(() => load.answers.has('1'));
    const slow = get({ port, path: '/slow?ms=1500' });
    await sleep(50);
    writeFileSync(sick, '');
    const [, text] = await program.waitFor(/event rollback \d+ (.*)\n/);
    expect(JSON.parse(text as string)).toMatchObject({
      pid: successor,
      error: { code: 'ERR_ENDLESS_UNHEALTHY' },
    });
    expect((await slow).body).toBe('slow 1');
    await program.waitForPids(1);
    expect((await get({ port })).body).toBe('generation 0');
    rmSync(sick);
    await hup(program);
    await until(async () => (await get({ port })).body === 'generation 1');
    expect((await load.stop()).lost).toEqual([]);
    expect(undone(program.stdout, program.pid)).toBe(false);
  });

  longTest('stays when its event loop stalls, or its health check fails for a moment', async () => {
    const sick = path.join(temporaryFolder(), 'sick');
    const { program, port } = await serve('app.mjs', {}, { env: { SICK_FILE: sick } });
    await hup(program);
    writeFileSync(sick, '');
    await sleep(300);
    rmSync(sick);
    await get({ port, path: '/block' });
    await program.waitFor(`event committed ${program.pid}`);
    await program.waitForPids(1);
    expect(program.stdout).not.toContain('event rollback');
    expect((await get({ port })).body).toBe('generation 1');
  });

  longTest(
    'on a unix socket: its path stays, each client gets an answer, and a real stop removes it',
    async () => {
      const socket = path.join(temporaryFolder(), 'app.sock');
      const { program } = await serve('app.mjs', {}, { env: { ADDRESS: `unix:${socket}` } });
      const load = startLoad({ path: socket, connections: 5, mode: 'new-connection' });
      for (let death = 1; death <= 3; death += 1) {
        program.signal('SIGKILL', await hup(program));
        await until(() => program.stderr.match(/Rolled back/g)?.length === death);
      }
      await hup(program);
      await until(() => load.answers.has('1'));
      await program.waitForPids(1);
      expect(notTaken(await load.stop())).toBe(0);
      expect(existsSync(socket)).toBe(true);
      program.signal('SIGTERM', program.pids()[0] as number);
      await program.waitForPids(0);
      expect(existsSync(socket)).toBe(false);
    },
  );
});

/** The first log line after the commit. */
const DRAINS = 'Waiting for connections to finish';

describe('the commit', () => {
  test('comes when the window is over, and not before', async () => {
    const { program, port } = await serve('app.mjs', { rollbackWindow: 700 });
    const successor = await hup(program);
    expect((await get({ port })).body).toBe('generation 1');
    await program.waitFor(`event committed ${program.pid}`);
    const after = (await loggedAt(program, DRAINS)) - (await loggedAt(program, 'has taken over'));
    expect(after).toBeGreaterThan(600);
    expect(after).toBeLessThan(2_500);
    await program.waitForPids(1);
    expect(program.pids()).toEqual([successor]);
  });

  for (const [settings, atMost] of [
    [{ rollbackWindow: 0 }, 250],
    [{ hammerTime: 0 }, 250],
    [{ hammerTime: 600 }, 550],
  ] as const)
    test(`comes within ${atMost} ms with ${JSON.stringify(settings)}`, async () => {
      const { program } = await serve('app.mjs', settings);
      await hup(program);
      const after = (await loggedAt(program, DRAINS)) - (await loggedAt(program, 'has taken over'));
      expect(after).toBeLessThan(atMost);
      expect(program.stdout).toContain(`event committed ${program.pid}`);
      await program.waitForPids(1);
    });

  test('comes with a SIGTERM to the successor, 100 ms after it took over: both end and the port is free', async () => {
    const { program, port } = await serve('app.mjs');
    const successor = await hup(program);
    await sleep(100);
    program.signal('SIGTERM', successor);
    await program.waitForPids(0);
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    expect(program.stdout).not.toContain('event rollback');
    expect(program.stdout).toContain(`event committed ${program.pid}`);
  });

  test('comes with a successor that stops in the moment in which it takes over', async () => {
    const { program, port, fault } = await serve('app.mjs');
    fault('stops-at-once');
    program.signal('SIGHUP');
    await program.waitForPids(0);
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    expect(program.stdout).not.toContain('event rollback');
  });

  test('comes with a SIGTERM to the old process, which then drains and leaves alone', async () => {
    const { program, port } = await serve('app.mjs');
    const successor = await hup(program);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.pids()).toEqual([successor]);
    expect((await get({ port })).body).toBe('generation 1');
  });

  test('comes with a SIGUSR2 to the old process, which then force-closes and exits', async () => {
    const { program, port } = await serve('app.mjs', { rollbackWindow: 5_000 });
    const never = get({ port, path: '/never' });
    await until(async () => (await getJson<{ activeRequests: number }>(port, '/stats')).activeRequests === 2);
    const successor = await hup(program);
    program.signal('SIGUSR2', program.pid);
    await expect(never).rejects.toThrow();
    await program.waitForPids(1);
    expect(program.pids()).toEqual([successor]);
    await program.waitFor(`event hammered ${program.pid}`);
    expect(program.stdout).not.toContain('event rollback');
  });

  test('is not needed after the death of the old process in the window: the successor serves on', async () => {
    const socket = path.join(temporaryFolder(), 'app.sock');
    const { program } = await serve('app.mjs', {}, { env: { ADDRESS: `unix:${socket}` } });
    const load = startLoad({ path: socket, connections: 5, mode: 'new-connection' });
    const successor = await hup(program);
    program.signal('SIGKILL');
    await until(() => load.answers.has('1'));
    expect(notTaken(await load.stop())).toBe(0);
    expect(program.pids()).toEqual([successor]);
    program.signal('SIGTERM', successor);
    await program.waitForPids(0);
    expect(existsSync(socket)).toBe(false);
  });

  test('leaves open connections to their process: they close only after an answer with `Connection: close`', async () => {
    const { program, port } = await serve('app.mjs', { migrate: false, idleGrace: 3_000 });
    const socket = await open(port);
    expect(await ask(socket)).toMatch(/x-generation: 0/i);
    const successor = await hup(program);
    program.signal('SIGKILL', successor);
    await program.waitFor('Rolled back');
    // It is as if nothing had happened.
    for (let i = 0; i < 3; i += 1) expect(await ask(socket)).toMatch(/connection: keep-alive/i);
    expect(program.pids()).toEqual([program.pid]);
  });
});

describe('a second restart within the rollback window', () => {
  test('waits until that is over, and loses nothing: at most one window of a chain is open', async () => {
    const { program, port } = await serve('app.mjs', { rollbackWindow: 700, hammerTime: 20_000 });
    const load = startLoad({ port, connections: 10, mode: 'keep-alive' });
    await until(() => load.answered > 20);
    const first = await hup(program);
    const began = performance.now();
    const [restart, refused] = [getJson(port, '/restart'), sleep(100).then(() => getJson(port, '/restart'))];
    await program.waitFor('Restart delayed');
    program.signal('SIGHUP', first);
    await program.waitFor(
      `${first} Received SIGHUP. A restart already waits for the end of the rollback window.`,
    );
    expect(await refused).toMatchObject({ code: 'ERR_ENDLESS_RESTART_IN_PROGRESS' });
    const { pid: second } = (await restart) as { pid: number };
    expect(performance.now() - began).toBeGreaterThan(600);
    await hup(program, second);
    await until(() => load.answers.has('3'));
    const { lost, opened } = await load.stop();
    expect({ lost, opened }).toEqual({ lost: [], opened: 10 });
    const order = events(program.stdout).filter((event) => /^(committed|spawned)/.test(event));
    expect(order).toEqual([
      `spawned ${program.pid}`,
      `committed ${program.pid}`,
      `spawned ${first}`,
      `committed ${first}`,
      `spawned ${second}`,
    ]);
    await program.waitForPids(1);
  });

  longTest('reaches the new process, also if its signal still goes to the old one', async () => {
    const { program, port } = await serve('app.mjs', { rollbackWindow: 1_000 });
    const load = startLoad({ port, connections: 10, mode: 'keep-alive' });
    const first = await hup(program);
    program.signal('SIGHUP', program.pid);
    await program.waitFor(`It is passed on to pid ${first}`);
    program.signal('SIGHUP', program.pid);
    await until(() => load.answers.has('2'), 10_000);
    await program.waitForPids(1);
    const { lost, answers } = await load.stop();
    expect(lost).toEqual([]);
    expect(answers.has('3')).toBe(false);
    expect(program.stderr).not.toContain('is not the newest');
  });

  for (const to of rowsOf(['successor', 'old process'] as const, (to) => to === 'successor'))
    rowTest(`lets the mended release in when the broken one dies: SIGHUP to the ${to}`, async () => {
      const broken = path.join(temporaryFolder(), 'broken');
      writeFileSync(broken, '');
      const { program, port } = await serve(
        'moments.mjs',
        { rollbackWindow: 1_500, migrate: false },
        { env: { BROKEN_FILE: broken } },
      );
      const load = startLoad({ port, connections: 10, mode: 'new-connection' });
      const first = await hup(program);
      rmSync(broken);
      program.signal('SIGHUP', to === 'successor' ? first : program.pid);
      if (to === 'successor') await program.waitFor('Restart delayed');
      else await program.waitFor(`${program.pid} Received SIGHUP. It is passed on`);
      await program.waitFor(`event rollback ${program.pid}`);
      const [, mended] = await program.waitFor(/mended (\d+)/);
      await program.waitFor(`event committed ${program.pid}`);
      expect(await program.waitForPids(1)).toEqual([Number(mended)]);
      expect(notTaken(await load.stop())).toBe(0);
      expect((await get({ port })).body).toBe('generation 1');
    });
});
