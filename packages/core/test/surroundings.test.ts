import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { hup, serve, temporaryFolder, until } from './program.js';
import { serveOnPath } from './unix-paths.js';

describe('the pid file', () => {
  test.skipIf(process.getuid?.() !== 0)(
    'names the newest process also after the program has given up its rights, and is gone after the stop (needs root)',
    async () => {
      const folder = temporaryFolder();
      chmodSync(folder, 0o755);
      const pidFile = path.join(folder, 'app.pid');
      const served = await serveOnPath('setuid', { env: { SETTINGS: JSON.stringify({ pidFile }) } });
      const { program, file } = served;
      chmodSync(path.dirname(file), 0o755);
      chmodSync(file, 0o666);
      let pid = program.pid;
      for (let restarts = 0; restarts < 2; restarts += 1) {
        pid = await hup(program, pid);
        await program.waitForPids(1);
        expect(readFileSync(pidFile, 'utf8')).toBe(`${pid}\n`);
      }
      program.signal('SIGTERM', pid);
      await program.waitForPids(0);
      expect(readFileSync(pidFile, 'utf8')).toBe('');
      expect(program.stderr).not.toContain('pid file');
    },
  );

  test('is written through no link and is for its owner alone to write', async () => {
    const folder = temporaryFolder();
    const [pidFile, victim] = [path.join(folder, 'app.pid'), path.join(folder, 'victim')];
    writeFileSync(victim, 'precious');
    const { program } = await serve('app.mjs', { pidFile }, { execArgv: ['--import', UMASK_0] });
    for (let pid = program.pid + 1; pid < program.pid + 2_000; pid += 1)
      symlinkSync(victim, path.join(folder, `.app.pid.${pid}`));
    const pid = await hup(program);
    expect(readFileSync(pidFile, 'utf8')).toBe(`${pid}\n`);
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(statSync(pidFile).mode & 0o777).toBe(0o644);
  });
});

test.skipIf(spawnSync('unshare', ['-n', 'true']).status !== 0)(
  'a health check reaches its own process where there is no loopback (needs unshare)',
  async () => {
    const { program } = await serveOnPath('health', { node: 'unshare', execArgv: ['-n', process.execPath] });
    await hup(program);
    expect(program.stdout).toContain('health generation 1');
  },
);

test('a systemd-notify that hangs keeps no process from its end', async () => {
  const bin = path.join(temporaryFolder(), 'bin');
  mkdirSync(bin);
  writeFileSync(path.join(bin, 'systemd-notify'), '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
  const { program } = await serve(
    'app.mjs',
    { hammerTime: 1_500, idleGrace: 100 },
    { env: { NOTIFY_SOCKET: 'x', PATH: `${bin}:${process.env.PATH}` } },
  );
  program.signal('SIGTERM');
  expect((await program.exited).code).toBe(0);
  await program.waitForPids(0, 3_000);
});

test('a slow systemd-notify names the new process before the old one exits', async () => {
  const bin = path.join(temporaryFolder(), 'bin');
  const said = path.join(bin, 'said');
  mkdirSync(bin);
  const helper = `#!/bin/sh\nsleep 1\necho "$@" >> '${said}'\n`;
  writeFileSync(path.join(bin, 'systemd-notify'), helper, { mode: 0o755 });
  const { program } = await serve(
    'app.mjs',
    { idleGrace: 100 },
    { env: { NOTIFY_SOCKET: 'x', PATH: `${bin}:${process.env.PATH}` } },
  );
  const pid = await hup(program);
  await until(() => !program.pids().includes(program.pid), 10_000);
  expect(readFileSync(said, 'utf8')).toContain(`MAINPID=${pid}`);
});

const UMASK_0 = `data:text/javascript,process.umask(0)`;
