import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { canManage, type Units, userManager } from '@endless/conformance';
import { get, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { BIN, fixture, until } from './program.js';

const UNIT = readFileSync(path.join(import.meta.dirname, '../../../examples/systemd/run.service'), 'utf8');
const SETTINGS = JSON.stringify({ rollbackWindow: 100, idleGrace: 100 });

type Changes = [RegExp | string, string][];

/** The unit of the examples, but for what it runs, where, and the user, which this manager cannot make. */
function unitFor(folder: string, changes: Changes = []): string {
  const all: Changes = [
    ...changes,
    ['current/server.js', fixture('endless.mjs')],
    [/\/srv\/app\/node_modules\/\.bin\/endless/g, `${process.execPath} ${BIN}`],
    ['/srv/app', folder],
    ['workers max', 'workers 2'],
    // The control socket is in the temporary folder.
    ['DynamicUser=yes', `Environment='SETTINGS=${SETTINGS}' TMPDIR=${folder}`],
  ];
  return all.reduce((unit, [there, here]) => unit.replace(there, here), UNIT);
}

describe.skipIf(!canManage())('`endless run` under systemd itself (needs root, unshare and systemd)', () => {
  const generation = async ({ port }: Units) =>
    (await get({ port }).catch(() => undefined))?.headers['x-generation'];

  /** Stops the service while a request is in flight. */
  async function stops({ port, systemctl, show }: Units): Promise<void> {
    const slow = get({ port, path: '/slow' });
    await sleep(200);
    await systemctl('stop', 'app.service');
    expect((await slow).body).toBe('slow');
    expect([await show('Result'), await show('ExecMainStatus')]).toEqual(['success', '0']);
  }

  test('run.service: two reloads, one that fails, a watchdog and a stop', async () => {
    const units = await userManager((_port, folder) => ({
      'app.service': unitFor(folder, [['WatchdogSec=30', 'WatchdogSec=2']]),
    }));
    const { port, systemctl, show, faultFile } = units;
    await systemctl('start', 'app');
    const ready = () => until(async () => (await show('StatusText')) === '2 of 2 workers ready', 10_000);
    await ready();
    const main = await show('MainPID');
    const load = startLoad({ port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
    await until(() => load.answered > 0);
    for (const expected of ['1', '2']) {
      await systemctl('reload', 'app');
      // It has waited for all workers.
      const seen = await Promise.all(Array.from({ length: 20 }, () => generation(units)));
      expect(new Set(seen)).toEqual(new Set([expected]));
    }
    expect(await load.stop()).toMatchObject({ lost: [], opened: 10 });

    writeFileSync(faultFile, 'throw');
    await expect(systemctl('reload', 'app')).rejects.toThrow('Job for app.service failed');
    await until(async () => (await show('StatusText')).includes('restart failed: worker 0'));
    expect([await show('MainPID'), await show('ActiveState')]).toEqual([main, 'active']);
    rmSync(faultFile);
    await systemctl('reload', 'app');
    await ready();

    // Longer than the watchdog waits for a message.
    await sleep(4_000);
    expect([await show('MainPID'), await show('Result')]).toEqual([main, 'success']);
    await stops(units);
  });

  const units: Record<string, Changes> = {
    'of Type=notify': [],
    'of Type=simple, which sends no message': [
      ['Type=notify', 'Type=simple'],
      [/^(WatchdogSec|NotifyAccess)=.*$/gm, ''],
    ],
    'of KillMode=control-group, which stops each worker too': [['KillMode=mixed', 'KillMode=control-group']],
  };
  for (const [name, changes] of Object.entries(units))
    test(`a unit ${name}: a reload by SIGHUP and a stop lose nothing`, async () => {
      const units = await userManager((_port, folder) => ({
        'app.service': unitFor(folder, [
          ...changes,
          [/^ExecReload=.*$/m, 'ExecReload=/bin/kill -HUP $$MAINPID'],
        ]),
      }));
      const { port, systemctl, show } = units;
      await systemctl('start', 'app');
      await until(async () => (await generation(units)) === '0', 10_000);
      const main = await show('MainPID');
      const load = startLoad({ port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
      await systemctl('reload', 'app');
      await until(() => load.answers.has('1'), 10_000);
      expect((await load.stop()).lost).toEqual([]);
      expect(await show('MainPID')).toBe(main);
      await stops(units);
    });

  test('with a socket unit beside it, a stop and a start refuse no client', async () => {
    const units = await userManager((port, folder) => ({
      'app.socket': `[Socket]\nListenStream=127.0.0.1:${port}\n`,
      'app.service': unitFor(folder),
    }));
    const { systemctl, show } = units;
    await systemctl('start', 'app.socket');
    expect(await generation(units)).toBe('0');
    await systemctl('reload', 'app');
    expect(await generation(units)).toBe('1');
    await systemctl('stop', 'app.service');
    expect(await show('Result')).toBe('success');
    // It waits in the queue of systemd for the next supervisor.
    expect(await generation(units)).toBe('0');
  });
});
