import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const HERE = path.join(import.meta.dirname, 'systemd');
const version = Number(
  /\d+/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[0],
);

/** What an older systemd does not know yet is left out or put in its older words; the rest is looked at as it stands. */
function forThisSystemd(unit: string): string {
  const known =
    version >= 253 ? unit : unit.replace('Type=notify-reload', 'Type=notify').replace(/^OpenFile=.*$/m, '');
  return known.replaceAll(/\/usr\/bin\/node|\/srv\/app\/node_modules\/\.bin\/endless/g, process.execPath);
}

test.skipIf(!version)('systemd finds nothing wrong with the units (needs systemd-analyze)', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'endless-units-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const units = readdirSync(HERE).filter((file) => file !== 'README.md');
  expect(units.sort()).toEqual([
    'endless.service',
    'endless.socket',
    'notify.service',
    'pid-file.service',
    'run.service',
  ]);
  for (const unit of units)
    writeFileSync(path.join(folder, unit), forThisSystemd(readFileSync(path.join(HERE, unit), 'utf8')));
  const verify = (...files: string[]) =>
    spawnSync('systemd-analyze', ['verify', '--man=no', ...files.map((file) => path.join(folder, file))], {
      encoding: 'utf8',
    });
  for (const unit of units) {
    const { status, stderr } = verify(unit);
    expect([unit, status, stderr.split('\n').filter((line) => line.includes(unit))]).toEqual([unit, 0, []]);
  }
  // It does find what is wrong.
  writeFileSync(path.join(folder, 'wrong.service'), '[Service]\nExecStart=no-such-program\nType=never\n');
  expect(verify('wrong.service').status).not.toBe(0);
});
