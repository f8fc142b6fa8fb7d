import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { get, startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { lines, type Run, run, temporaryFolder, until, workers } from './program.js';

/** Kills the process of worker 0, and waits until another serves. */
async function crash(served: Run): Promise<void> {
  const before = workers(served)[0];
  await sleep(1_100);
  served.program.signal('SIGKILL', before);
  await until(() => workers(served)[0] !== before);
}

const kind = (name: string) => ({ env: { KIND: name } });

describe('a program', () => {
  test('that looks for a free port keeps it, over a crash and a restart', async () => {
    const served = await run('kinds.mjs', kind('port check'));
    await crash(served);
    expect((await get({ port: served.port })).body).toContain(String(workers(served)[0]));
    expect(await served.command('restart')).toMatchObject({ code: 0 });
    expect((await get({ port: served.port })).body).toMatch(/^checked 0 /);
    expect(served.program.output).not.toContain('EADDRINUSE');
  });

  longTest(
    'that opens a second server later shares both, and a crash refuses no connection on either',
    async () => {
      const served = await run('kinds.mjs', { ...kind('second server'), flags: ['--workers', '2'] });
      await lines(served, /is ready \(2 of 2\)/, 1);
      const ports = [served.port, served.port + 1];
      const loads = ports.map((port) => startLoad({ port, connections: 2, mode: 'new-connection' }));
      await crash(served);
      const losses = (await Promise.all(loads.map((load) => load.stop()))).map(({ lostBy }) => [
        ...lostBy.keys(),
      ]);
      expect(losses.flat().filter((reason) => reason !== 'reset' && reason !== 'ended')).toEqual([]);
      expect(served.program.output).not.toContain('EADDRINUSE');
    },
  );

  longTest('with a unix socket is reachable after a crash, and its path is gone after a stop', async () => {
    const socketPath = path.join(temporaryFolder(), 'app.sock');
    const served = await run('kinds.mjs', { env: { KIND: 'unix socket', SOCKET: socketPath } });
    await crash(served);
    expect((await get({ socketPath })).body).toMatch(/^unix 0 /);
    expect(await served.command('restart')).toMatchObject({ code: 0 });
    expect((await get({ socketPath })).body).toMatch(/^unix 0 /);
    served.program.signal('SIGTERM');
    expect(await served.program.exited).toEqual({ code: 0, signal: null });
    expect(existsSync(socketPath)).toBe(false);
  });

  test('that closes its server and listens again keeps its port', async () => {
    const { port } = await run('kinds.mjs', kind('listens again'));
    expect((await get({ port })).body).toMatch(/^after 0 /);
  });

  test('that shuts its worker down gets another', async () => {
    const served = await run('kinds.mjs', { ...kind('port check'), settings: { idleGrace: 0 } });
    const [before] = workers(served);
    await get({ port: served.port, path: '/stop' });
    await until(() => workers(served)[0] !== before);
    expect((await get({ port: served.port })).body).toContain(String(workers(served)[0]));
    expect((await served.command('status')).code).toBe(0);
  });
});

test('the supervisor speaks for the service', async () => {
  const folder = temporaryFolder();
  const said = path.join(folder, 'said');
  const helper = path.join(folder, 'systemd-notify');
  writeFileSync(helper, `#!/bin/sh\necho "$@" >> ${said}\n`);
  chmodSync(helper, 0o755);
  const served = await run('endless.mjs', {
    env: { NOTIFY_SOCKET: '/nowhere', PATH: `${folder}:${process.env.PATH}` },
  });
  expect(await served.command('restart')).toMatchObject({ code: 0 });
  served.program.signal('SIGTERM');
  expect(await served.program.exited).toEqual({ code: 0, signal: null });
  expect(
    readFileSync(said, 'utf8')
      .split('\n')
      .map((line) => line.replace(/\d{6,}/, 'N')),
  ).toEqual([
    'READY=1 STATUS=1 of 1 workers ready',
    'RELOADING=1 MONOTONIC_USEC=N STATUS=restarting worker 1 of 1 ...',
    'READY=1 STATUS=1 of 1 workers ready',
    'STOPPING=1 STATUS=waiting for connections to finish',
    '',
  ]);
});
