import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { freePort, get, startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { blockedPastTheWindow, stoppedPastTheWindow } from './late-decisions.js';
import { hup, RawClient, serve, temporaryFolder, until } from './program.js';

describe('an old process that could not read in time', () => {
  longTest('rolls back after a stop, if its successor has died meanwhile', () =>
    stoppedPastTheWindow('dies'),
  );
  test('rolls back after a block, if its successor has died meanwhile', () => blockedPastTheWindow('dies'));

  test('answers a request whose end has arrived before it force-closes what is left', async () => {
    const { program, port } = await serve('moments.mjs', { hammerTime: 700 });
    const upload = (ms: number) =>
      new RawClient(port).send(`POST /?ms=${ms} HTTP/1.1\r\nHost: it\r\nContent-Length: 1\r\n\r\n`);
    const [blocks, waits] = [upload(1_000), upload(0)];
    await sleep(100);
    program.signal('SIGTERM');
    await program.waitFor(`draining ${program.pid}`);
    blocks.send('x');
    await sleep(100);
    waits.send('x');
    await waits.receive(/^HTTP\/1.1 200 OK/);
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });
});

longTest(
  'a candidate that closes its server during a slow health check is not ready before it listens again',
  async () => {
    const { program, port } = await serve('closes-early.mjs');
    await hup(program);
    expect(program.stdout.match(/listening \d+ 1/g)).toHaveLength(2);
    expect(program.stderr).not.toContain('closes after the rollback window');
    expect((await get({ port })).body).toBe('generation 1');
  },
);

describe('a successor that was told to go', () => {
  longTest('is not killed at the end of `startTimeout`: it may accept already', async () => {
    const { program, port } = await serve(
      'moments.mjs',
      { startTimeout: 4_000 },
      { env: { ON_READY: 'block 4100' } },
    );
    const load = startLoad({ port, connections: 10, mode: 'new-connection', timeout: 8_000 });
    await until(() => load.answered > 20);
    await hup(program);
    await program.waitFor(`event committed ${program.pid}`);
    expect((await load.stop()).lost).toEqual([]);
    expect(program.stdout).not.toContain('event failed');
  });

  test('is not killed by a shutdown of the old process: that waits, then drains and exits', async () => {
    const { program, port } = await serve('moments.mjs', {}, { env: { ON_READY: 'shutdown 600' } });
    const load = startLoad({ port, connections: 10, mode: 'new-connection' });
    await until(() => load.answered > 20);
    const successor = await hup(program);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await until(() => load.answers.has('1'));
    expect((await load.stop()).lost).toEqual([]);
    expect(program.pids()).toEqual([successor]);
  });
});

describe('a shutdown while a candidate starts', () => {
  test('stops to accept only when the candidate, which holds the same sockets, is gone', async () => {
    const { program } = await serve('moments.mjs', {}, { env: { START_TIME: '20000' } });
    program.signal('SIGHUP');
    await program.waitFor('spawned');
    // It has the sockets by now.
    await sleep(500);
    program.signal('SIGTERM');
    await program.waitFor(`draining ${program.pid}, candidate`);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stdout).not.toContain('candidate alive');
  });
});

describe('a `healthCheck` that takes longer than its tries have time for', () => {
  test('rolls the restart back, once it has failed', async () => {
    const sick = path.join(temporaryFolder(), 'sick');
    const { program, port } = await serve(
      'moments.mjs',
      { rollbackWindow: 1_000 },
      { env: { SICK_FILE: sick, CHECK_TIME: '500' } },
    );
    writeFileSync(sick, '');
    await hup(program);
    await program.waitFor(`event rollback ${program.pid}`);
    expect(program.stdout).toContain('no answer from the database');
    expect((await get({ port })).body).toBe('generation 0');
  });
});

describe('a candidate whose old process dies takes over once it is ready', () => {
  test("with `ready: 'manual'`: who connects meanwhile waits", async () => {
    const ready = path.join(temporaryFolder(), 'ready');
    const { program, port } = await serve('moments.mjs', { ready: 'manual' }, { env: { READY_FILE: ready } });
    program.signal('SIGHUP');
    await program.waitFor(/listening \d+ 1/);
    program.signal('SIGKILL');
    await program.waitFor('takes over once it is ready');
    const answer = get({ port, timeout: 10_000 });
    await sleep(500);
    expect(program.stderr).not.toContain('takes over now');
    writeFileSync(ready, '');
    expect((await answer).body).toBe('generation 1');
  });

  longTest('while it looks up the name on which it is to listen', async () => {
    const { program, port } = await serve('closes-early.mjs', {}, { env: { NAME: 'localhost' } });
    program.signal('SIGHUP');
    await program.waitFor(/looking up (?!0)/);
    await sleep(50);
    program.signal('SIGKILL');
    await program.waitFor('takes over once it is ready');
    await program.waitFor('takes over now');
    expect((await get({ port, timeout: 10_000 })).body).toBe('generation 1');
  });

  longTest('with all of its addresses', async () => {
    const second = await freePort();
    const { program, port } = await serve('moments.mjs', {}, { env: { SECOND_PORT: String(second) } });
    await until(async () => (await get({ port: second }).catch(() => undefined))?.body === 'second');
    program.signal('SIGHUP');
    await program.waitFor(/listening \d+ 1/);
    program.signal('SIGKILL');
    expect((await get({ port, timeout: 10_000 })).body).toBe('generation 1');
    expect((await get({ port: second })).body).toBe('second');
  });
});
