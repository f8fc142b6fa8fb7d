import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort, startProgram } from '@endless/testkit';
import { onTestFinished } from 'vitest';
import { temporaryFolder, until } from './program.js';

const MANAGER = '/lib/systemd/systemd';
const NAMESPACE = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];
/** systemd runs only where it believes that the machine was booted with it. */
const BOOTED = 'mount -t tmpfs tmpfs /run/systemd && mkdir /run/systemd/system';

/** Whether a service manager can run here: it needs root, unshare and systemd. */
export function canManage(): boolean {
  const command = `mkdir -p /run/systemd && ${BOOTED} && ${MANAGER} --version`;
  return spawnSync('unshare', [...NAMESPACE, 'sh', '-c', command]).status === 0;
}

/** A service manager of its own, and the units that it has. */
export interface Units {
  port: number;
  /** A file that makes successors fail in the way that it names. */
  faultFile: string;
  systemctl(...args: string[]): Promise<string>;
  /** A property of the service. */
  show(property: string): Promise<string>;
}

/** Starts a service manager in namespaces of its own that has these units; `app.service` is the one to look at. */
export async function userManager(
  unitsFor: (port: number, folder: string) => Record<string, string>,
): Promise<Units> {
  const [port, folder] = [await freePort(), temporaryFolder()];
  const faultFile = path.join(folder, 'fault');
  const runtime = path.join(folder, 'run');
  const units = path.join(folder, '.config/systemd/user');
  mkdirSync(units, { recursive: true });
  mkdirSync(runtime, { mode: 0o700 });
  for (const [name, text] of Object.entries(unitsFor(port, folder)))
    writeFileSync(
      path.join(units, name),
      text.replace('[Service]', `[Service]\nEnvironment=PORT=${port} FAULT_FILE=${folder}/fault`),
    );
  const env = { HOME: folder, XDG_RUNTIME_DIR: runtime, XDG_CONFIG_HOME: undefined };
  const program = startProgram(
    `mkdir -p /run/systemd && ${BOOTED} && ${MANAGER} --user --log-target=console --log-level=info & wait`,
    { node: 'unshare', execArgv: [...NAMESPACE, 'sh', '-c'], env, maxProcesses: 40 },
  );
  onTestFinished(() => program.stop());
  const systemctl = async (...args: string[]) => {
    // The manager accepts only processes in its namespaces: the one that unshare has started there.
    const inside = readFileSync(`/proc/${program.pid}/task/${program.pid}/children`, 'utf8').trim();
    const { stdout } = await promisify(execFile)(
      'nsenter',
      [`--target=${inside}`, '--mount', '--pid', 'systemctl', '--user', '--no-pager', ...args],
      { env: { ...process.env, ...env }, timeout: 20_000 },
    );
    return stdout.trim();
  };
  await until(
    () =>
      systemctl('show').then(
        () => true,
        () => false,
      ),
    10_000,
  );
  return {
    port,
    faultFile,
    systemctl,
    show: (property) => systemctl('show', '--value', '-p', property, 'app'),
  };
}
