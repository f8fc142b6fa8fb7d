import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { validate } from 'dockerfile-utils';
import { describe, expect, onTestFinished, test } from 'vitest';
import { until } from '../conformance/dist/index.js';
import { freePort, get, startProgram } from '../testkit/dist/index.js';

const HERE = path.join(import.meta.dirname, 'docker');
const dockerfile = readFileSync(path.join(HERE, 'Dockerfile'), 'utf8');
const unshare = ['--pid', '--fork', '--kill-child', '--mount-proc'];
const canUnshare = spawnSync('unshare', [...unshare, 'true']).status === 0;

/** The words of an instruction in its exec form. */
function exec(instruction: RegExp): string[] {
  return JSON.parse(new RegExp(`^${instruction.source}(\\[.*\\])$`, 'm').exec(dockerfile)?.[1] ?? '');
}

test('the Dockerfile has no mistake that a linter knows', () => {
  expect(validate(dockerfile)).toEqual([]);
  expect(validate(dockerfile.replace('WORKDIR', 'WORKDIRECTORY'))).not.toEqual([]);
});

describe.skipIf(!canUnshare)('its command as pid 1 of a namespace (needs unshare and root)', () => {
  test('refuses a restart and serves on, is healthy, and answers what is in flight when it is stopped', async () => {
    const port = await freePort();
    const [command = '', ...args] = exec(/CMD /);
    expect(command).toBe('node');
    const container = startProgram(process.execPath, {
      node: 'unshare',
      execArgv: unshare,
      args,
      cwd: HERE,
      env: { PORT: String(port) },
    });
    onTestFinished(() => container.stop());
    await container.waitFor(/endless 1 serving on .*, generation 0/);
    const [pid] = container.pids().filter((each) => each !== container.pid);

    container.signal('SIGHUP', pid);
    await container.waitFor(/endless 1 .*allowOrphaning/);
    expect((await get({ port })).body).toBe('Hello from pid 1, generation 0\n');

    const [, ...check] = exec(/HEALTHCHECK .*?CMD /);
    const healthy = () =>
      spawnSync(process.execPath, check, { env: { ...process.env, PORT: String(port) } }).status === 0;
    expect(healthy()).toBe(true);

    container.signal('SIGTERM', pid);
    expect(await container.exited).toEqual({ code: 0, signal: null });
    await until(() => container.pids().length === 0);
    expect(healthy()).toBe(false);
  });
});
