import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { validate } from 'dockerfile-utils';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder, until } from '../conformance/dist/index.js';
import { freePort, get, startLoad, startProgram } from '../testkit/dist/index.js';

const HERE = path.join(import.meta.dirname, 'docker');
const BIN = path.join(import.meta.dirname, '../packages/cli/dist/bin.js');
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
  test('restarts in place by a signal and by `docker exec`, survives a crash, is healthy, and drains when it is stopped', async () => {
    const port = await freePort();
    const folder = temporaryFolder();
    // As npm makes it in `node_modules/.bin`, which the Dockerfile puts into the path.
    const file = path.join(folder, 'endless');
    writeFileSync(file, `#!/bin/sh\nexec ${process.execPath} ${BIN} "$@"\n`, { mode: 0o755 });
    expect(dockerfile).toContain('ENV PATH=/app/node_modules/.bin:$PATH');
    const env = { PORT: String(port), PATH: `${folder}:${process.env.PATH}`, TMPDIR: folder, PWD: HERE };
    const [command = '', ...args] = exec(/CMD /);
    const container = startProgram(command, {
      node: 'unshare',
      execArgv: unshare,
      args,
      cwd: HERE,
      env,
    });
    onTestFinished(() => container.stop());
    await container.waitFor(/endless 1 worker 0: pid \d+ is ready/);
    const pid = container.pids().find((each) => each !== container.pid) as number;
    const body = async () => (await get({ port, timeout: 10_000 })).body;
    expect(await body()).toMatch(/^Hello from pid \d+, generation 0\n$/);

    const load = startLoad({
      ...{ port, connections: 10, mode: 'keep-alive' as const },
      label: ({ body }) => String(body).trim().slice(-1),
    });
    container.signal('SIGHUP', pid);
    await until(() => load.answers.has('1'), 10_000);
    await container.waitFor('restart: done');
    const inside = (...words: string[]) =>
      promisify(execFile)(
        'nsenter',
        [`--target=${pid}`, '--pid', '--mount', 'sh', '-c', 'cd "$0" && exec "$@"', HERE, ...words],
        { env: { ...process.env, ...env } },
      );
    await inside('endless', 'restart');
    expect(await load.stop()).toMatchObject({ lost: [], opened: 10 });
    expect(await body()).toContain('generation 2');
    expect((await inside('endless', 'status')).stdout).toContain('1 of 1');

    const [, ...check] = exec(/HEALTHCHECK .*?CMD /);
    const healthy = () =>
      spawnSync(process.execPath, check, { env: { ...process.env, PORT: String(port) } }).status === 0;
    expect(healthy()).toBe(true);

    const worker = container.pids().find((each) => each !== container.pid && each !== pid) as number;
    container.signal('SIGKILL', worker);
    expect(await body()).toMatch(/^Hello from pid \d+/);

    container.signal('SIGTERM', pid);
    expect(await container.exited).toEqual({ code: 0, signal: null });
    await container.waitForPids(0);
    expect(healthy()).toBe(false);
  });
});
