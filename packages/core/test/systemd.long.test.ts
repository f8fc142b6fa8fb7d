import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { canManage, type Units, userManager } from '@endless/conformance';
import { get, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { fixture, until } from './program.js';

const EXAMPLES = path.join(import.meta.dirname, '../../../examples/systemd');

/** A unit of the examples as it stands, but for what it runs, where, on which port, and the user, which this manager cannot make. */
function example(name: string, port: number, folder: string, more: object = {}): string {
  return [
    ['/usr/bin/node /srv/app/current/server.js', `${process.execPath} ${fixture('app.mjs')}`],
    ['/srv/app', folder],
    ['/run/app', `${folder}/run/app`],
    ['=9090', `=${port}`],
    ['DynamicUser=yes', settings(more)],
  ].reduce(
    (unit, [there = '', here = '']) => unit.replaceAll(there, here),
    readFileSync(path.join(EXAMPLES, name), 'utf8'),
  );
}

const settings = (more: object) =>
  `Environment='SETTINGS=${JSON.stringify({ rollbackWindow: 300, idleGrace: 100, ...more })}'`;

describe.skipIf(!canManage())('under systemd itself (needs root, unshare and systemd)', () => {
  async function restartsTwice({ port, systemctl, show }: Units): Promise<void> {
    expect(await show('ActiveState')).toBe('active');
    const load = startLoad({ port, connections: 10, mode: 'keep-alive' });
    await until(() => load.answered > 0);
    for (let generation = 1; generation <= 2; generation += 1) {
      const old = await show('MainPID');
      await systemctl('reload', 'app');
      await until(() => load.answers.has(String(generation)));
      await until(async () => (await show('MainPID')) !== old, 10_000);
      expect([await show('ActiveState'), await show('SubState')]).toEqual(['active', 'running']);
    }
    expect((await load.stop()).lost).toEqual([]);
  }

  /**
   * In a container with the old control groups systemd waits for no main process that it has not started itself, and kills
   * it at once: so a request in flight is asked for only where it has.
   */
  async function stops({ port, systemctl, show }: Units, { restarted = true } = {}): Promise<void> {
    const slow = restarted ? undefined : get({ port, path: '/slow?ms=700' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await systemctl('stop', 'app.service');
    if (slow) expect([(await slow).body, await show('Result')]).toEqual(['slow 0', 'success']);
    await until(async () => !/active|deactivating/.test(await show('SubState')));
    expect(await show('MainPID')).toBe('0');
  }

  test('notify.service lives through restarts, a failed one and a watchdog, and stops well', async () => {
    const units = await userManager((port, folder) => ({
      'app.service': example('notify.service', port, folder).replace(
        'Type=notify',
        'Type=notify\nWatchdogSec=2',
      ),
    }));
    const { systemctl, show, faultFile } = units;
    await systemctl('start', 'app');
    expect(await show('StatusText')).toMatch(/^serving: pid \d+, generation 0$/);
    await restartsTwice(units);
    expect(await show('StatusText')).toMatch(/^serving: pid \d+, generation 2$/);

    const main = await show('MainPID');
    writeFileSync(faultFile, 'exit-3');
    await systemctl('reload', 'app');
    await until(async () => (await show('StatusText')).startsWith('restart failed: '), 10_000);
    expect([await show('MainPID'), await show('ActiveState')]).toEqual([main, 'active']);
    rmSync(faultFile);

    // Longer than the watchdog waits for a message.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect([await show('MainPID'), await show('Result')]).toEqual([main, 'success']);
    await stops(units);
  });

  test('a service of `Type=simple` that cannot tell systemd of another process refuses a restart, and stops well', async () => {
    const units = await userManager((_port, folder) => ({
      'app.service': [
        '[Service]',
        `ExecStart=${process.execPath} ${fixture('app.mjs')}`,
        'ExecReload=/bin/kill -HUP $MAINPID',
        `StandardError=file:${folder}/log`,
        'Restart=always',
        settings({}),
        '',
      ].join('\n'),
    }));
    const { port, systemctl, show } = units;
    await systemctl('start', 'app');
    await until(async () => (await get({ port }).catch(() => undefined))?.body === 'generation 0', 10_000);
    const main = await show('MainPID');
    await systemctl('reload', 'app');
    const log = path.join(path.dirname(units.faultFile), 'log');
    await until(() => readFileSync(log, 'utf8').includes('Use `Type=notify-reload`'), 5_000);
    expect([await show('MainPID'), await show('NRestarts')]).toEqual([main, '0']);
    expect((await get({ port })).body).toBe('generation 0');
    await stops(units, { restarted: false });
  });

  test('pid-file.service: systemd follows the file', async () => {
    const units = await userManager((port, folder) => ({
      'app.service': example('pid-file.service', port, folder, { pidFile: `${folder}/run/app/app.pid` }),
    }));
    await units.systemctl('start', 'app');
    await until(async () => (await get({ port: units.port }).catch(() => undefined)) !== undefined);
    await restartsTwice(units);
    await stops(units);
  });

  test('endless.socket beside it: the port is systemd’s, and a stop and a start refuse no client', async () => {
    const units = await userManager((port, folder) => ({
      'app.socket': example('endless.socket', port, folder),
      'app.service': example('notify.service', port, folder),
    }));
    await units.systemctl('start', 'app.socket');
    expect((await get({ port: units.port })).body).toBe('generation 0');
    await restartsTwice(units);
    await stops(units);
    // It waits in the queue until the next first process is there.
    expect((await get({ port: units.port })).body).toBe('generation 0');
    await stops(units, { restarted: false });
  });

  test('`allowOrphaning` without a notification to systemd: the unit does not survive a restart', async () => {
    const units = await userManager((port, folder) => ({
      'app.service': example('notify.service', port, folder, { allowOrphaning: true })
        .replace('Type=notify', 'Type=simple')
        .replace('NotifyAccess=all', 'NotifyAccess=none'),
    }));
    await units.systemctl('start', 'app');
    await until(async () => (await get({ port: units.port }).catch(() => undefined)) !== undefined);
    await units.systemctl('reload', 'app');
    await until(async () => (await units.show('ActiveState')) === 'inactive', 10_000);
    await expect(get({ port: units.port })).rejects.toThrow('ECONNREFUSED');
  });
});
