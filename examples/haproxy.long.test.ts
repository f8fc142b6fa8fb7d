import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../conformance/dist/index.js';
import {
  freePort,
  get,
  type Load,
  type Program,
  rawExchange,
  startLoad,
  startProgram,
} from '../testkit/dist/index.js';

const HERE = path.join(import.meta.dirname, 'haproxy');
// Debian keeps it where an ordinary user does not look.
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
const has = spawnSync('haproxy', ['-v'], { env }).status === 0;

describe.skipIf(!has)('examples/haproxy (needs haproxy)', () => {
  let folder: string;
  let port: number;
  let ports: number[];
  let programs: Program[];
  let haproxy: ChildProcess;
  let load: Load;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'endless-haproxy-'));
    port = await freePort();
    ports = [await freePort(), await freePort(), await freePort()];
    programs = ports.map(start);
    for (const program of programs) await program.waitFor(/serving on .*, generation 0/);
    let config = readFileSync(path.join(HERE, 'haproxy.cfg'), 'utf8').replace('9090', String(port));
    for (const [at, each] of ports.entries()) config = config.replace(`909${at + 1}`, String(each));
    writeFileSync(path.join(folder, 'haproxy.cfg'), config);
    haproxy = spawn('haproxy', ['-db', '-f', 'haproxy.cfg'], { cwd: folder, env, stdio: 'ignore' });
    await until(async () => (await get({ port }).catch(() => ({ status: 0 }))).status === 200);
    const label = ({ body }: { body: Buffer }) => /pid (\d+)/.exec(body.toString())?.[1] ?? 'nobody';
    load = startLoad({ port, connections: 12, mode: 'keep-alive', label, thinkTime: () => 5 });
    await until(() => load.answers.size === 3);
  });

  afterEach(async () => {
    await load.stop();
    for (const program of programs) await program.stop();
    const gone = once(haproxy, 'exit');
    haproxy.kill('SIGKILL');
    await gone;
    rmSync(folder, { recursive: true });
  });

  function start(each: number): Program {
    return startProgram(path.join(HERE, 'server.js'), { cwd: folder, env: { PORT: String(each) } });
  }

  const pidOf = (each: number) => Number(readFileSync(path.join(folder, `server-${each}.pid`), 'utf8'));

  /** What HAProxy itself counts as gone wrong between it and the instances, and how many checks have failed. */
  async function troubles(): Promise<{ errors: number; failedChecks: number }> {
    const [head = '', ...rows] = (
      await rawExchange(path.join(folder, 'haproxy.sock'), 'show stat app 4 -1\n')
    )
      .trim()
      .split('\n');
    const names = head.replace('# ', '').split(',');
    const sum = (name: string) =>
      rows.reduce((total, row) => total + Number(row.split(',')[names.indexOf(name)] || 0), 0);
    expect(rows).toHaveLength(3);
    const errors = ['econ', 'eresp', 'wretr', 'wredis', 'srv_abrt', 'hrsp_5xx'].map(sum);
    return { errors: errors.reduce((total, each) => total + each, 0), failedChecks: sum('chkfail') };
  }

  test('rolled in place by roll.sh, twice, under load: 0 errors, and no check fails', async () => {
    const before = await troubles();
    for (let round = 1; round <= 2; round += 1) {
      const roll = spawn('sh', [path.join(HERE, 'roll.sh'), ...ports.map(String)], { cwd: folder });
      expect(await once(roll, 'exit')).toEqual([0, null]);
      await until(() => ports.every((each) => load.answers.has(String(pidOf(each)))));
    }
    const { lost, answered, answers } = await load.stop();
    expect(lost).toEqual([]);
    expect(answered).toBeGreaterThan(500);
    expect(answers.size).toBe(9);
    expect(await troubles()).toEqual(before);
  });

  test('roll.sh stops at an instance that does not come up', async () => {
    // No process has this pid any more, as after a crash of an instance.
    const { pid = 0 } = spawnSync('true');
    writeFileSync(path.join(folder, `server-${ports[1]}.pid`), `${pid}\n`);
    const roll = spawn('sh', [path.join(HERE, 'roll.sh'), ...ports.map(String)], { cwd: folder });
    const [status] = await once(roll, 'exit');
    expect(status).not.toBe(0);
    expect(pidOf(ports[2] as number)).toBe(programs[2]?.pid);
  });

  test('stopped and started again one by one, under load: 0 errors', { timeout: 90_000 }, async () => {
    for (const [at, each] of ports.entries()) {
      const program = programs[at] as Program;
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 0, signal: null });
      programs[at] = start(each);
      await until(() => load.answers.has(String(programs[at]?.pid)), 10_000);
    }
    const { lost, answers } = await load.stop();
    expect(lost).toEqual([]);
    expect(answers.size).toBe(6);
    expect((await troubles()).errors).toBe(0);
  });

  test('control: a killed instance causes errors, which these tests notice', async () => {
    const [program] = programs as [Program];
    program.signal('SIGKILL');
    await until(() => load.lost.length > 0);
  });
});
