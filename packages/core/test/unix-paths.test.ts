import {
  chmodSync,
  chownSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { get } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, hup, temporaryFolder, until } from './program.js';
import { oldOneGone, serveOnPath, stopsWithoutTrace } from './unix-paths.js';

describe('a restart keeps the path of a unix socket, with its mode and its owner, when', () => {
  rowTest.each(
    rowsOf(
      [
        ['the new program removes it before it listens', 'unlink-before,chmod'],
        ['the new program removes it long before it listens', 'unlink-before,slow,chmod'],
        ['the old program removes it while it drains', 'unlink-while-draining,chmod'],
        ['the old program removes it as it exits', 'unlink-at-exit,chmod'],
        ['both programs remove it', 'unlink-before,unlink-at-exit,chmod'],
      ],
      ([when]) => when === 'both programs remove it' || when === 'the old program removes it while it drains',
    ),
  )('%s', async (_when, does) => {
    const served = await serveOnPath(does);
    const { program, file, answers, mode } = served;
    if (process.getuid?.() === 0) chownSync(file, 12_345, 12_346);
    const { uid, gid, ino } = statSync(file);
    let pid = program.pid;
    for (const generation of [1, 2]) {
      pid = await hup(program, pid);
      expect(await answers()).toBe(`generation ${generation}`);
      await oldOneGone(served);
      expect(await answers()).toBe(`generation ${generation}`);
      const after = statSync(file);
      expect([mode(), after.uid, after.gid, after.ino]).toEqual([0o666, uid, gid, ino]);
    }
    await stopsWithoutTrace(served, pid);
  });

  test('both programs remove it, and no client that connects meanwhile finds it gone', async () => {
    const served = await serveOnPath('unlink-before,slow,unlink-while-draining,unlink-at-exit');
    const { program, answers } = served;
    const failures: string[] = [];
    let ends = false;
    const clients = Array.from({ length: 4 }, async () => {
      for (let asked = 0; !ends && asked < 50_000; asked += 1) {
        const answer = await answers();
        if (!answer.startsWith('generation')) failures.push(answer);
      }
    });
    let pid = program.pid;
    for (let restarts = 0; restarts < 2; restarts += 1) {
      pid = await hup(program, pid);
      await oldOneGone(served);
    }
    ends = true;
    await Promise.all(clients);
    expect(failures).toEqual([]);
  });

  test('the first program removes it as it exits, long after the one that followed it', async () => {
    const served = await serveOnPath('unlink-at-exit');
    const { program, file, answers } = served;
    const slow = get({ socketPath: file, path: '/slow' });
    const first = await hup(program);
    await program.waitForPids(2);
    const second = await hup(program, first);
    await program.waitFor(`Handed generation 0, which drains, on to pid ${second}.`);
    await program.waitForPids(2);
    // As long as a process that watches no more would need to stop watching.
    await sleep(300);
    expect((await slow).body).toBe('generation 0');
    await oldOneGone(served);
    expect(await answers()).toBe('generation 2');
    await stopsWithoutTrace(served, second);
  });

  test('a deploy removes it while the new program starts', async () => {
    const served = await serveOnPath('slow');
    const { program, file, answers } = served;
    const restarted = hup(program);
    await program.waitFor('forking');
    rmSync(file);
    await until(() => existsSync(file), 1_000);
    const pid = await restarted;
    expect(await answers()).toBe('generation 1');
    await oldOneGone(served);
    await stopsWithoutTrace(served, pid);
  });

  test('a successor removes it and then fails', async () => {
    const served = await serveOnPath();
    const { program, answers, successorsDo } = served;
    successorsDo('unlink-before,fail');
    program.signal('SIGHUP');
    await program.waitFor('exited with status 1 before it was ready');
    expect(await answers()).toBe('generation 0');
    await oldOneGone(served);
    await stopsWithoutTrace(served, program.pid);
  });

  test('a successor within the rollback window removes it as it ends', async () => {
    const served = await serveOnPath('', { env: { SETTINGS: '{"rollbackWindow":5000}' } });
    const { program, answers, successorsDo } = served;
    successorsDo('unlink-at-exit');
    const pid = await hup(program);
    program.signal('SIGTERM', pid);
    await program.waitForPids(0);
    expect(program.stderr).not.toContain('Rolled back');
    expect(served.names()).toEqual([]);
    const again = await serveOnPath('', { env: { SETTINGS: '{"rollbackWindow":5000}' } });
    const dying = await hup(again.program);
    rmSync(again.file);
    again.program.signal('SIGKILL', dying);
    await again.program.waitFor('Rolled back');
    expect(await again.answers()).toBe('generation 0');
    await oldOneGone(again);
    expect(await answers()).toBe('ENOENT');
  });
});

test('a path that was removed before the restart is bound again by the new process, which then answers there', async () => {
  const served = await serveOnPath('chmod');
  const { program, file, answers, mode } = served;
  rmSync(file);
  const pid = await hup(program);
  expect(program.stderr).toContain(`unix:${file} does not lead to this process any more`);
  expect(await answers()).toBe('generation 1');
  await oldOneGone(served);
  expect([await answers(), mode()]).toEqual(['generation 1', 0o666]);
  await stopsWithoutTrace(served, pid);
});

test('a new process that binds a path of its own accepts nothing there before it takes over', async () => {
  const served = await serveOnPath('', { env: { SETTINGS: '{"ready":"manual"}' } });
  rmSync(served.file);
  served.program.signal('SIGHUP');
  await served.program.waitFor(/listening \d+ 1/);
  expect(await served.answers()).toBe('ECONNREFUSED');
});

test('a restart fails when something else is at the path once the successor is ready', async () => {
  const served = await serveOnPath();
  const { program, file, successorsDo } = served;
  successorsDo('replace');
  program.signal('SIGHUP');
  await program.waitFor(`The successor is ready, and ${file} does not lead to its socket`);
  await program.waitForPids(1);
  expect(program.stderr).not.toContain('has taken over');
  expect(readFileSync(file, 'utf8')).toBe('mine');
});

test('a stop leaves alone what another program has put at the path', async () => {
  const { program, file } = await serveOnPath();
  renameSync(file, `${file}.old`);
  const other = net.createServer();
  await new Promise<void>((resolve) => other.listen(file, resolve));
  onTestFinished(() => void other.close());
  const { ino } = statSync(file);
  program.signal('SIGTERM');
  await program.waitForPids(0);
  expect(statSync(file).ino).toBe(ino);
});

longTest(
  'second names that a crash has left are removed at the next start, and a file of such a name is not',
  async () => {
    const served = await serveOnPath('slow');
    const { program, file, names } = served;
    program.signal('SIGHUP');
    await until(() => names().length === 2);
    await program.stop();
    expect(names()).toHaveLength(2);
    const precious = path.join(path.dirname(file), '.app.sock.precious');
    writeFileSync(precious, 'precious');
    const next = await serveOnPath('', { file });
    expect(names().sort()).toEqual(['.app.sock.precious', 'app.sock']);
    next.program.signal('SIGTERM');
    await next.program.waitForPids(0);
    expect(names()).toEqual(['.app.sock.precious']);
  },
);

test('a path from which the program has gone to another directory is removed at the stop', async () => {
  const folder = temporaryFolder();
  const served = await serveOnPath('chdir', { file: 'app.sock', cwd: folder });
  expect(existsSync(path.join(folder, 'app.sock'))).toBe(true);
  served.program.signal('SIGTERM');
  await served.program.waitForPids(0);
  expect(existsSync(path.join(folder, 'app.sock'))).toBe(false);
});

describe('where hard links cannot be had', () => {
  test('listening warns, a restart is refused with the reason, and the path stays', async () => {
    const served = await serveOnPath('', { execArgv: ['--require', fixture('no-links.cjs')] });
    const { program, file, answers } = served;
    expect(program.stderr).toContain(`unix:${file} cannot be handed over`);
    program.signal('SIGHUP');
    await program.waitFor(`A restart would remove unix:${file}`);
    expect(program.stderr).not.toContain('pid 0');
    await program.waitForPids(1);
    expect(await answers()).toBe('generation 0');
    await stopsWithoutTrace(served, program.pid);
  });

  longTest.skipIf(process.getuid?.() !== 0)(
    'because the program has given up its rights, a restart works all the same',
    async () => {
      const served = await serveOnPath('setuid');
      const { program, file, answers } = served;
      chmodSync(file, 0o666);
      const pid = await hup(program);
      await program.waitForPids(1);
      expect(await answers()).toBe('generation 1');
      program.signal('SIGTERM', pid);
      await program.waitForPids(0);
    },
  );
});
