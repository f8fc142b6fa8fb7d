import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { freePort, get, type Program, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, hup, serve, temporaryFolder } from './program.js';

interface App {
  program: Program;
  port: number;
}

async function start(file: string, env: Record<string, string> = {}, execArgv: string[] = []): Promise<App> {
  const port = await freePort();
  const settings = JSON.stringify({
    rollbackWindow: 100,
    idleGrace: 100,
    ...JSON.parse(env.SETTINGS ?? '{}'),
  });
  const program = startProgram(fixture(file), {
    execArgv,
    cwd: path.dirname(fixture(file)),
    env: { PORT: String(port), ...env, SETTINGS: settings },
  });
  onTestFinished(() => program.stop());
  await program.waitFor(/listening \d+ 0/);
  return { program, port };
}

/** Both workers of the fixture listen. */
async function startCluster(env: Record<string, string>, execArgv: string[] = []): Promise<App> {
  const app = await start('cluster.cjs', env, execArgv);
  await app.program.waitFor(/listening \d+ 0[\s\S]*listening \d+ 0/);
  return app;
}

const preload = ['--require', '@endless/core/register'];
const ways: Record<string, [env: Record<string, string>, execArgv: string[]]> = {
  'that is preloaded': [{}, preload],
  'that uses endless in all its processes': [{ ENDLESS: 'primary, worker' }, []],
  'that uses endless in its primary only': [{ ENDLESS: 'primary' }, []],
};

describe('the primary of a node:cluster', () => {
  for (const [way, [env, execArgv]] of rowsOf(Object.entries(ways), ([way]) => /all/.test(way)))
    rowTest(
      `${way} refuses a restart at once and starts nothing; on a stop it exits after the last response of its workers`,
      async () => {
        const { program, port } = await startCluster(env, execArgv);
        const before = program.pids();
        program.signal('SIGHUP');
        await program.waitFor('this one is the primary of a `node:cluster`', { timeout: 2_000 });
        expect(program.output).toContain('`endless run --workers`');
        const slow = get({ port, path: '/slow' });
        await sleep(300);
        expect(program.pids().sort()).toEqual(before.sort());
        expect(program.stdout).not.toContain('worker ended');
        program.signal('SIGTERM');
        expect((await slow).body).toMatch(/^slow \d+$/);
        expect(await program.exited).toEqual({ code: 0, signal: null });
        await program.waitForPids(0);
      },
    );

  longTest('that stops its workers by itself is waited for, and they are told nothing else', async () => {
    const { program, port } = await startCluster({ ENDLESS: 'primary', OWN: 'yes' });
    const slow = get({ port, path: '/slow' });
    await sleep(200);
    program.signal('SIGTERM');
    await program.waitFor('the primary received SIGTERM');
    expect((await slow).body).toMatch(/^slow \d+$/);
    await program.exited;
    expect(program.stdout.match(/worker ended 0 null/g)).toHaveLength(2);
  });

  longTest('exits at the deadline although a worker does not', async () => {
    const { program, port } = await startCluster({ ENDLESS: 'primary', SETTINGS: '{"hammerTime":500}' });
    const never = get({ port, path: '/never' }).catch(() => 'cut');
    await sleep(200);
    const began = performance.now();
    program.signal('SIGTERM');
    await program.exited;
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(await never).toBe('cut');
  });

  longTest('whose workers share a unix socket leaves one file, and nothing beside it', async () => {
    const folder = path.join(temporaryFolder(), 'run');
    mkdirSync(folder);
    const { program } = await startCluster({ SOCKET: path.join(folder, 'app.sock') }, preload);
    expect(readdirSync(folder)).toEqual(['app.sock']);
    expect((await get({ socketPath: path.join(folder, 'app.sock') })).body).toMatch(/^pid \d+$/);
    program.signal('SIGTERM');
    await program.exited;
    await program.waitForPids(0);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a program that another one has forked', () => {
  const file = fixture('plain-endless.mjs');
  const pidOf = async ({ port }: App) => Number(/\d+/.exec((await get({ port })).body)?.[0]);

  test('refuses a restart, says why, and its parent sees no exit', async () => {
    const app = await start('forks.mjs', { FILE: file });
    const pid = await pidOf(app);
    app.program.signal('SIGHUP', pid);
    await app.program.waitFor('keeps a channel to it', { timeout: 2_000 });
    await sleep(300);
    expect(await pidOf(app)).toBe(pid);
    expect(app.program.stdout).not.toMatch(/child ended|EADDRINUSE/);
    expect(app.program.pids()).toHaveLength(2);
  });

  test('drains when its parent stops it', async () => {
    const app = await start('forks.mjs', { FILE: file });
    const pid = await pidOf(app);
    const slow = get({ port: app.port, path: '/slow' });
    await sleep(200);
    app.program.signal('SIGTERM');
    expect((await slow).body).toBe(`pid ${pid}`);
    await app.program.waitFor('child ended 0 null');
  });

  test('restarts with `allowOrphaning`', async () => {
    const { program, port } = await serve('app.mjs', { allowOrphaning: true }, { ipc: true });
    await hup(program);
    expect((await get({ port })).body).toBe('generation 1');
  });

  longTest('restarts once its parent has closed the channel', async () => {
    const { program, port } = await serve('app.mjs', {}, { ipc: true });
    program.child.disconnect();
    await sleep(100);
    await hup(program);
    expect((await get({ port })).body).toBe('generation 1');
  });
});
