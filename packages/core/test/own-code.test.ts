import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { get, type Program, startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { hup, newestPid, RawClient, serve, until } from './program.js';

/** The lines that a process has printed, without its events. */
function story(program: Program, pid = program.pid): string[] {
  return [...program.stdout.matchAll(/^said (\d+) (.+)$/gm)]
    .filter(([, sayer]) => Number(sayer) === pid)
    .map(([, , text]) => text as string);
}

const start = (own: string, settings: object = {}, env: Record<string, string> = {}) =>
  serve('own-code.mjs', { idleGrace: 200, ...settings }, { env: { OWN: own, ...env } });

/** A request that the application has got when this resolves. */
async function ask(program: Program, port: number, target: string) {
  const answer = get({ port, path: target, timeout: 20_000 }).then(
    ({ body }) => body,
    (error: Error) => error.message,
  );
  await program.waitFor(`asked ${target.split('?', 1)[0]}`, { from: 'stdout' });
  return { answer };
}

describe('while SIGHUP means restart, the listeners of the application for it', () => {
  test('run at the end of the old process, those added later and those of SIGTERM too, and lose no request', async () => {
    const { program, port } = await start('hup,late hup,job');
    const load = startLoad({ port, connections: 10, mode: 'keep-alive' });
    const slow = await ask(program, port, '/slow?ms=1200');
    await sleep(200);
    const successor = await hup(program);
    expect(await slow.answer).toBe('generation 0');
    expect(await program.exited).toEqual({ code: 3, signal: null });
    expect((await load.stop()).lost).toEqual([]);
    expect(story(program).filter((part) => !/^(asked|answered) \/$/.test(part))).toEqual([
      'asked /slow',
      'answered /slow',
      'done, terminated',
      'own SIGHUP 1',
      'late SIGHUP',
      'job begins',
      'closed fine',
      'job ends',
      'exit 3',
    ]);
    expect(story(program, successor)).not.toContain('own SIGHUP 1');
    expect(program.stderr.match(/SIGHUP restarts .*: 2 \(stopOnHup, anonymous\)/g)).toHaveLength(1);
  });

  test('do not run for a restart that fails, and the process serves on', async () => {
    const { program, port } = await start('hup', { restart: { env: { FAULT: 'start' } } });
    program.signal('SIGHUP');
    await program.waitFor('before it was ready');
    await sleep(300);
    expect(story(program)).toEqual([]);
    expect((await get({ port })).body).toBe('generation 0');
  });

  test('do not run for a restart that is rolled back', async () => {
    const { program, port } = await start('hup', { rollbackWindow: 2_000 });
    program.signal('SIGKILL', await hup(program));
    await program.waitFor('Rolled back');
    expect((await get({ port })).body).toBe('generation 0');
    expect(story(program).filter((part) => part.startsWith('own'))).toEqual([]);
  });

  test('run at the signal with `signals: { SIGHUP: false }`, as without endless', async () => {
    const { program, port } = await start('hup', { signals: { SIGHUP: false } });
    program.signal('SIGHUP');
    await program.waitFor('closed fine');
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(story(program)).toEqual(['own SIGHUP 1', 'closed fine', 'exit 0']);
  });

  test('do not run with `ownListeners: false`, nor do those of SIGTERM', async () => {
    const { program } = await start('hup,job', { ownListeners: false });
    await hup(program);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(story(program)).toEqual(['done, terminated', 'exit 0']);
  });

  test('end the old process by SIGHUP where they raise it again', async () => {
    const { program, port } = await start('hup raise');
    await hup(program);
    expect(await program.exited).toEqual({ code: null, signal: 'SIGHUP' });
    expect(story(program)).toEqual(['done, terminated', 'own SIGHUP']);
    expect((await get({ port })).body).toBe('generation 1');
  });

  test('and of SIGTERM are bounded after a restart, also with `hammerTime: -1`', async () => {
    const { program } = await start('short minute,stuck', {
      hammerTime: -1,
      startTimeout: 30_000,
      rollbackWindow: 20,
    });
    await hup(program);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stderr).toContain('own listeners of SIGTERM have not ended this process in time');
  });

  longTest('that end nothing hold up no further restart, and a stop of the newest bounds them', async () => {
    const { program, port } = await start('stuck', { hammerTime: 20_000, rollbackWindow: 20 });
    for (let restarts = 0; restarts < 3; restarts += 1) {
      await hup(program);
      await sleep(200);
    }
    expect((await get({ port })).body).toBe('generation 3');
    const newest = newestPid(program);
    program.signal('SIGTERM', newest);
    await sleep(1_200);
    program.signal('SIGTERM', newest);
    await program.waitForPids(0, 3_000);
  });

  test('may all be taken off: the next SIGHUP restarts the process and does not end it', async () => {
    const { program, port } = await start('hup,all hups off');
    await sleep(300);
    await hup(program);
    await program.waitForPids(1);
    // The last line may be read a moment after the process is gone.
    await program.waitFor(/exit 0/);
    expect(story(program)).toEqual(['done, terminated', 'exit 0']);
    expect((await get({ port })).body).toBe('generation 1');
  });
});

describe('a stop', () => {
  rowTest.each(rowsOf(['SIGTERM', 'SIGINT'] as const, (signal) => signal === 'SIGTERM'))(
    'by %s waits for a job of the application, and exits with its status',
    async (signal) => {
      const { program, port } = await start('job', {}, { OWN_SIGNAL: signal });
      const slow = await ask(program, port, '/slow?ms=300');
      program.signal(signal);
      expect(await slow.answer).toBe('generation 0');
      expect(await program.exited).toEqual({ code: 3, signal: null });
      expect(story(program)).toContain('job ends');
    },
  );

  test('by a signal without a listener of the application waits for none', async () => {
    const { program } = await start('stuck', {}, { OWN_SIGNAL: 'SIGINT' });
    const began = performance.now();
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  longTest('waits until `hammerTime`, and the log says what kept the process', async () => {
    const { program } = await start('stuck', { hammerTime: 1_800 });
    const began = performance.now();
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - began).toBeGreaterThan(1_700);
    expect(performance.now() - began).toBeLessThan(3_500);
    expect(program.stderr).toMatch(/own listeners of SIGTERM have not ended .* kept alive by .*1 Timeout/);
  });

  test('ends at once by a second signal, once the application has had a second', async () => {
    const { program } = await start('stuck');
    program.signal('SIGTERM');
    await sleep(1_200);
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.stderr).toContain('have not ended this process in time');
  });

  longTest(
    'force-closes by a second signal of an operator, also where the listener was there `once`',
    async () => {
      const { program, port } = await start('stuck once');
      const never = await ask(program, port, '/never');
      program.signal('SIGTERM');
      await sleep(1_200);
      program.signal('SIGTERM');
      expect((await program.exited).signal ?? 'SIGTERM').toBe('SIGTERM');
      expect(program.stderr).toContain('It is the second stop signal: force-closing what is left');
      expect(program.stderr).toContain('[STOP - Hammer Time]');
      expect(await never.answer).not.toBe('generation 0');
    },
  );

  rowTest.each(rowsOf(['raise', 'raise once'], (kind) => kind === 'raise'))(
    'ends by the signal that the application raises again, after the drain (%s)',
    async (kind) => {
      const { program, port } = await start(kind);
      const slow = await ask(program, port, '/slow?ms=2500');
      program.signal('SIGTERM');
      expect(await slow.answer).toBe('generation 0');
      expect(await program.exited).toEqual({ code: null, signal: 'SIGTERM' });
      expect(story(program)).toEqual(['asked /slow', 'raises', 'answered /slow', 'done, terminated']);
    },
  );

  test('that the application cuts short by `process.exit` is reported with the requests that it cuts off', async () => {
    const { program, port } = await start('exit');
    const slow = await ask(program, port, '/slow?ms=2000');
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 7, signal: null });
    expect(await slow.answer).not.toBe('generation 0');
    expect(program.stderr).toContain('exits before it has drained. Requests in flight that are cut off: 1.');
  });
});

describe('`server.close` of the application', () => {
  rowTest.each(
    rowsOf(
      [
        ['at the signal', 0],
        ['during the drain', 300],
        ['after the drain', 1_000],
      ] as const,
      (_row, at) => at === 0,
    ),
  )('calls back without an error %s of a stop', async (_when, after) => {
    const { program, port } = await start('close', {}, { CLOSE_AFTER: String(after) });
    const slow = await ask(program, port, '/slow?ms=700');
    program.signal('SIGTERM');
    expect(await slow.answer).toBe('generation 0');
    expect(await program.exited).toEqual({ code: 5, signal: null });
    expect(story(program)).toContain(after > 700 ? 'closes, listening false' : 'closes, listening true');
    expect(story(program)).toContain('closed fine');
  });

  test('costs no idle connection during a drain', async () => {
    const { program, port } = await start('close', { idleGrace: 4_000 });
    const client = new RawClient(port).get('/');
    await client.receive(/generation 0/);
    program.signal('SIGTERM');
    await program.waitFor('Listener closed.');
    client.get('/');
    expect(await client.closed).toMatch(/generation 0/);
    expect(await program.exited).toEqual({ code: 5, signal: null });
  });

  test('between SIGHUP and the commit waits for the commit, and loses no request', async () => {
    const { program, port } = await start('close in a hook', { rollbackWindow: 500 });
    const load = startLoad({ port, connections: 10, mode: 'new-connection' });
    await until(() => load.answers.size > 0);
    await hup(program);
    await until(() => load.answers.has('1'));
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect((await load.stop()).lost).toEqual([]);
    expect(story(program).filter((part) => !/\/$/.test(part))).toEqual([
      'hook closed, listening false',
      'closed fine',
      'done, terminated',
      'exit 0',
    ]);
  });

  test('is done once the restart has failed', async () => {
    const { program, port } = await start('close in a hook', { restart: { env: { FAULT: 'start' } } });
    program.signal('SIGHUP');
    await program.waitFor('closed fine');
    await program.waitFor('before it was ready');
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });

  test('without a restart or a stop closes the server at once', async () => {
    const { program, port } = await start('');
    expect((await get({ port, path: '/close' })).body).toBe('listening false');
    await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(story(program)).toEqual(['closed fine', 'exit 0']);
  });
});
