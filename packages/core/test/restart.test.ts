import { get, type Program, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { getJson, hup, newestPid, RawClient, serve, until } from './program.js';

/** Waits until the newest process has so many requests, the one that asks for their number included. */
function active(port: number, requests: number): Promise<void> {
  return until(
    async () => (await getJson<{ activeRequests: number }>(port, '/stats')).activeRequests === requests,
  );
}

/** A request in flight, which ends with the byte that is missing of its body. */
async function halfARequest(port: number): Promise<RawClient> {
  const client = new RawClient(port).send('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n.');
  await active(port, 2);
  return client;
}

describe('a restart loses no request', () => {
  test('under strict new-connection load, 5 times', async () => {
    const { program, port } = await serve('app.mjs', { idleGrace: 500 });
    const load = startLoad({ port, connections: 50, mode: 'new-connection' });
    await until(() => load.answers.has('0'));
    for (let restart = 0; restart < 5; restart += 1) await hup(program);
    await until(() => load.answers.has('5'));
    const report = await load.stop();
    expect(report.lost).toEqual([]);
    expect([...report.answers.keys()].map(Number).sort()).toEqual([0, 1, 2, 3, 4, 5]);
  });

  for (const migrate of [true, false])
    test(`requests in flight finish on the old process, with migrate: ${migrate}`, async () => {
      const { program, port } = await serve('app.mjs', { migrate });
      const client = await halfARequest(port);
      await hup(program);
      await program.waitFor(`event committed ${program.pid}`);
      expect((await get({ port })).body).toBe('generation 1');
      const answer = await client.send('.').receive(/body \d/);
      expect(answer).toMatch(/body 0$/);
      expect(/\r\nconnection: (.*)\r\n/i.exec(answer)?.[1]).toBe(migrate ? 'keep-alive' : 'close');
      await program.waitForPids(1);
    });
});

describe('several restarts', () => {
  test('restart() rejects while one is under way, and 50 SIGHUPs make two restarts', async () => {
    const { program, port } = await serve('app.mjs');
    const first = getJson(port, '/restart');
    expect(await getJson(port, '/restart')).toMatchObject({ code: 'ERR_ENDLESS_RESTART_IN_PROGRESS' });
    expect(await first).toMatchObject({ generation: 1 });
    await program.waitForPids(1);
    const pid = newestPid(program);
    // In one go: each look for the pid takes a while, and the process is on its way out.
    expect(program.pids()).toContain(pid);
    const after = program.stderr.length;
    process.kill(pid, 'SIGHUP');
    // The kernel makes one of several signals that a process has not taken yet.
    await program.waitFor('forking', { from: 'stderr', after });
    for (let i = 1; i < 50; i += 1) process.kill(pid, 'SIGHUP');
    await program.waitFor(/listening \d+ 3/);
    await program.waitForPids(1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await get({ port })).body).toBe('generation 3');
    expect(program.stdout).not.toMatch(/listening \d+ 4/);
  });

  test('a process that is not the newest ignores SIGHUP and names the newest', async () => {
    // Within the window it would pass the signal on.
    const { program, port } = await serve('app.mjs', { rollbackWindow: 0 });
    const client = await halfARequest(port);
    const successor = await hup(program);
    program.signal('SIGHUP', program.pid);
    await program.waitFor(`pid ${successor} has taken over`);
    expect(await client.send('.').receive(/body \d/)).toMatch(/body 0$/);
    expect((await get({ port })).body).toBe('generation 1');
  });

  /** Sends SIGHUP to a process that is not the newest until it names this one; the message with its pid may still be on its way. */
  async function expectNamed(program: Program, by: number, newest: number): Promise<void> {
    await until(() => {
      program.signal('SIGHUP', by);
      const refusals = program.stderr.matchAll(/ (\d+) This process is not the newest: pid (\d+) /g);
      return Number([...refusals].filter(([, pid]) => Number(pid) === by).at(-1)?.[2]) === newest;
    }, 2_000);
  }

  test('of three processes the two that drain ignore SIGHUP, and both name the third', async () => {
    const { program, port } = await serve('app.mjs');
    const oldest = await halfARequest(port);
    const second = await hup(program);
    await until(async () => (await get({ port })).body === 'generation 1');
    const older = await halfARequest(port);
    const third = await hup(program);
    await program.waitFor(`event committed ${second}`);
    await expectNamed(program, program.pid, third);
    await expectNamed(program, second, third);
    expect(await oldest.send('.').receive(/body \d/)).toMatch(/body 0$/);
    expect(await older.send('.').receive(/body \d/)).toMatch(/body 1$/);
    expect((await get({ port })).body).toBe('generation 2');
    expect(await program.waitForPids(1)).toEqual([third]);
  });

  test('of three processes the oldest names the third, and after a rollback the second again', async () => {
    const { program, port } = await serve('app.mjs', { rollbackWindow: 2_000 });
    const oldest = await halfARequest(port);
    const second = await hup(program);
    const third = await hup(program);
    await expectNamed(program, program.pid, third);
    program.signal('SIGKILL', third);
    await program.waitFor(`Rolled back: this process, pid ${second}`);
    await expectNamed(program, program.pid, second);
    expect(await oldest.send('.').receive(/body \d/)).toMatch(/body 0$/);
    expect((await get({ port })).body).toBe('generation 1');
  });
});
