import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { get } from '@endless/testkit';
import { expect } from 'vitest';
import { run, until } from './program.js';

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

  longTest('stops a worker whose event loop is blocked', async () => {
    const { program, port } = await run('endless.mjs', { settings: { hammerTime: 500 } });
    void get({ port, path: '/block' }).catch(() => {});
    await sleep(200);
    program.signal('SIGTERM');
    await until(() => program.stderr.includes('did not exit in time: killed'));
    expect(await program.exited).toEqual({ code: 1, signal: null });
  });
});
