// What must not end the supervisor, nor keep it from its work.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { get } from '@endless/testkit';
import { expect } from 'vitest';
import { getJson, lines, run, temporaryFolder, until, workers } from './program.js';

const canLimit = spawnSync('prlimit', ['--version']).status === 0;

describe('the supervisor', () => {
  test('works on without a reader of its output: it restarts, respawns and stops', async () => {
    const { program, command, port } = await run('endless.mjs', { settings: { idleGrace: 0 } });
    const pid = async () => (await getJson<{ pid: number }>(port, '/')).pid;
    program.child.stdout?.destroy();
    program.child.stderr?.destroy();
    const first = await pid();
    expect((await command('restart')).code).toBe(0);
    const second = await pid();
    expect(second).not.toBe(first);
    await sleep(1_100);
    program.signal('SIGKILL', second);
    await until(async () => (await command('status')).code === 0);
    expect(await pid()).not.toBe(second);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  longTest('survives a worker that writes nonsense to its channel', async () => {
    const { program, command, port } = await run('nonsense.mjs');
    for (let request = 0; request < 3; request += 1)
      expect((await get({ port })).body).toBe(String(workers({ program } as never)[0]));
    expect(await command('status')).toMatchObject({ code: 0 });
    expect(await command('restart')).toMatchObject({ code: 0 });
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  longTest('waits for no worker that reads nothing: status, restart of the others, stop', async () => {
    const served = await run('endless.mjs', { flags: ['--workers', '2'], settings: { hammerTime: 500 } });
    const { program, command } = served;
    await lines(served, /is ready \(2 of 2\)/, 1);
    program.signal('SIGSTOP', workers(served)[1]);
    expect(await command('restart', '--timeout', '2s')).toMatchObject({
      code: 5,
      output: expect.stringContaining('worker 0 is now pid'),
    });
    expect(await command('status')).toMatchObject({ code: 1, output: expect.stringContaining('restarting') });
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 1, signal: null });
    await program.waitForPids(0);
  });

  longTest('that was stopped while a worker started neither kills it as late nor gives up', async () => {
    const limits = ['--start-timeout', '1500ms', '--give-up', '1500ms'];
    const served = await run('endless.mjs', { flags: limits });
    const { program, port } = served;
    await sleep(1_100);
    program.signal('SIGKILL', workers(served)[0]);
    await lines(served, /starting it again/, 1);
    program.signal('SIGSTOP');
    await program.waitFor(/(?:listening \d+ 0\s+){2}/, { from: 'stdout' });
    await sleep(1_600);
    program.signal('SIGCONT');
    await lines(served, /is ready/, 2);
    expect(await getJson(port, '/')).toMatchObject({ pid: workers(served)[0] });
    expect(program.stderr).not.toMatch(/killed\.|giving up/);
  });

  longTest.skipIf(!canLimit)(
    'without a free descriptor keeps its workers, and goes on once there is one',
    async () => {
      const served = await run('endless.mjs');
      const { program, command, port } = served;
      const limit = (count: number) =>
        execFileSync('prlimit', ['--pid', String(program.pid), `--nofile=${count}:`]);
      const { pid } = await getJson<{ pid: number }>(port, '/');
      await sleep(1_100);
      limit(readdirSync(`/proc/${program.pid}/fd`).length + 2);
      program.signal('SIGHUP');
      await lines(served, /restart: failed/, 1);
      expect(await getJson(port, '/')).toMatchObject({ pid });
      limit(3);
      program.signal('SIGKILL', pid);
      await lines(served, /could not be started: .*EMFILE/, 1);
      limit(1_024);
      await lines(served, /is ready/, 2);
      expect(await getJson(port, '/')).toMatchObject({ worker: { index: 0 } });
      expect((await command('status')).code).toBe(0);
    },
  );

  longTest('does not start with a pid file that cannot be written: code 2, and no socket stays', async () => {
    const folder = temporaryFolder();
    const control = path.join(folder, 'control');
    const { program } = await run('plain.mjs', {
      control,
      flags: ['--pid-file', path.join(folder, 'none/pid')],
      ready: /(?:)/,
    });
    expect(await program.exited).toEqual({ code: 2, signal: null });
    expect(existsSync(control)).toBe(false);
  });
});
