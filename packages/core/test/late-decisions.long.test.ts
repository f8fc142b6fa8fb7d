import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, nodeBinaries, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { blockedPastTheWindow, stoppedPastTheWindow } from './late-decisions.js';
import { hup, serve, temporaryFolder, until } from './program.js';

for (const { major, path: node } of nodeBinaries())
  describe(`Node ${major}: an old process that could not read in time`, () => {
    for (const [how, run] of [
      ['a stop', stoppedPastTheWindow],
      ['a block', blockedPastTheWindow],
    ] as const) {
      test(`rolls back after ${how}, if its successor has died`, () => run('dies', node));
      test(`rolls back after ${how}, if its successor has become ill`, () => run('becomes ill', node));
      test(`commits after ${how}, if its successor lives`, () => run('lives', node));
    }
  });

describe('an old process that was stopped past `startTimeout`', () => {
  test('takes a candidate that became ready while it was blocked past `startTimeout`', async () => {
    const { program, port } = await serve(
      'moments.mjs',
      { startTimeout: 2_000 },
      { env: { START_TIME: '1000' } },
    );
    const load = startLoad({ port, connections: 5, mode: 'new-connection', timeout: 8_000 });
    program.signal('SIGHUP');
    await program.waitFor('spawned');
    program.signal('SIGSTOP');
    await sleep(2_500);
    program.signal('SIGCONT');
    await program.waitFor(/generation 1, has taken over/);
    await until(() => load.answers.has('1'));
    expect((await load.stop()).lost).toEqual([]);
  });
});

describe('a candidate that was told to go', () => {
  for (const [what, signal] of [
    ['fails the restart after `startTimeout`', undefined],
    ['does not hold up a SIGTERM for long', 'SIGTERM'],
  ] as const)
    test(`${what}, if it never accepts, and loses nothing`, async () => {
      const { program, port } = await serve(
        'moments.mjs',
        { startTimeout: signal ? 60_000 : 2_000 },
        { env: { BEGIN_TIME: '30000' } },
      );
      const load = startLoad({ port, connections: 5, mode: 'new-connection' });
      await until(() => load.answered > 20);
      program.signal('SIGHUP');
      await program.waitFor(/listening \d+ 1/);
      if (signal) {
        // It is blocked by now, in the moment before it accepts.
        await sleep(300);
        expect((await load.stop()).lost).toEqual([]);
        program.signal(signal);
        expect(await program.exited).toEqual({ code: 0, signal: null });
      } else {
        await program.waitFor('event failed');
        await program.waitFor('did not accept connections within `startTimeout` (2000 ms)');
        expect((await load.stop()).lost).toEqual([]);
        expect((await get({ port })).body).toBe('generation 0');
        await program.waitForPids(1);
      }
    });
});

describe('a slow `healthCheck`', () => {
  /** Restarts into a release whose check takes so long to fail, from the moment at which it serves. */
  async function restartInto(checkTime: number, rollbackWindow: number) {
    const sick = path.join(temporaryFolder(), 'sick');
    const served = await serve(
      'moments.mjs',
      { rollbackWindow },
      { env: { SICK_FILE: sick, CHECK_TIME: String(checkTime) } },
    );
    writeFileSync(sick, '');
    await hup(served.program);
    return { ...served, sick };
  }

  test('commits, once it succeeds again', async () => {
    const { program, port, sick } = await restartInto(800, 1_500);
    await sleep(1_600);
    rmSync(sick);
    await program.waitFor(`event committed ${program.pid}`);
    expect((await get({ port })).body).toBe('generation 1');
  });

  test('is named in the log, if it does not come to an end', async () => {
    const { program, port } = await restartInto(20_000, 1_000);
    await program.waitFor(`event committed ${program.pid}`);
    await program.waitFor(/a `healthCheck` that began \d+ ms ago has not ended/);
    expect((await get({ port })).body).toBe('generation 1');
  });
});

describe('a candidate whose old process has died', () => {
  test('leaves with `startTimeout`, so that the address is free', async () => {
    const { program, port } = await serve('moments.mjs', { ready: 'manual', startTimeout: 2_000 });
    program.signal('SIGHUP');
    await program.waitFor(/listening \d+ 1/);
    program.signal('SIGKILL');
    await program.waitFor('this one was not ready within `startTimeout`');
    await program.waitForPids(0);
    await until(() =>
      get({ port }).then(
        () => false,
        ({ code }) => code === 'ECONNREFUSED',
      ),
    );
  });
});
