import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { get } from '@endless/testkit';
import { expect } from 'vitest';
import { getJson, lines, run, until } from './program.js';

describe('the supervisor', () => {
  for (const [register, after] of [
    [test, 150],
    [longTest, 0],
    [longTest, 250],
    [longTest, 350],
    [longTest, 500],
  ] as const)
    register(
      `stops during a restart, ${after} ms after its begin: a request is answered, and no process is left`,
      async () => {
        const { program, port } = await run('endless.mjs', {
          flags: ['--workers', '2'],
          settings: { idleGrace: 0 },
        });
        const slow = get({ port, path: '/slow' });
        await sleep(100);
        program.signal('SIGHUP');
        await sleep(after);
        program.signal('SIGTERM');
        expect((await slow).body).toBe('slow');
        expect(await program.exited).toEqual({ code: 0, signal: null });
        await program.waitForPids(0);
      },
    );

  test('force-closes at a second SIGTERM, 1 s later or more, and exits with code 1', async () => {
    const { program, port } = await run('endless.mjs');
    const never = get({ port, path: '/never', timeout: 10_000 }).catch(() => 'cut');
    await sleep(100);
    program.signal('SIGTERM');
    await sleep(1_100);
    program.signal('SIGTERM');
    expect(await never).toBe('cut');
    expect(await program.exited).toEqual({ code: 1, signal: null });
  });

  test('makes one more restart for all who ask during one', async () => {
    const served = await run('endless.mjs');
    const asked = [served.command('restart'), served.command('restart'), served.command('restart')];
    expect((await Promise.all(asked)).map(({ code }) => code)).toEqual([0, 0, 0]);
    const { generation } = await getJson<{ generation: number }>(served.port, '/');
    expect([2, 3]).toContain(generation);
  });

  test('starts a worker at SIGTTIN and stops one at SIGTTOU, but not the last', async () => {
    const served = await run('endless.mjs');
    const { program } = served;
    program.signal('SIGTTIN');
    await lines(served, /is ready \(2 of 2\)/, 1);
    program.signal('SIGTTOU');
    await program.waitForPids(2);
    program.signal('SIGTTOU');
    await sleep(200);
    expect(program.pids()).toHaveLength(2);
  });

  longTest('stops a worker whose event loop is blocked', async () => {
    const { program, port } = await run('endless.mjs', { settings: { hammerTime: 500 } });
    void get({ port, path: '/block' }).catch(() => {});
    await sleep(200);
    program.signal('SIGTERM');
    await until(() => program.stderr.includes('did not exit in time: killed'));
    expect(await program.exited).toEqual({ code: 1, signal: null });
  });
});
