// A program that Next.js generates (`output: 'standalone'`), under `endless run`.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, type Load, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { blocksOf, ROOT, read } from '../../../test/markdown.js';
import { type Run, type RunOptions, run, temporaryFolder } from './program.js';

const [, section = ''] = read('docs/deploying.md').split(/^## Next\.js$/m);
const [preload = ''] = blocksOf(section)
  .filter(({ language }) => language === 'js')
  .map(({ text }) => text);

const start = ({ env, ...options }: RunOptions = {}): Promise<Run> =>
  run('next.cjs', { env: { HOSTNAME: '127.0.0.1', ...env }, ...options });

function clients({ port }: Run): Load[] {
  return [
    startLoad({ port, connections: 10, mode: 'keep-alive' }),
    startLoad({ port, connections: 2, mode: 'new-connection' }),
  ];
}

/** Lets every load end; none has lost a request, and no kept-alive connection was closed. */
async function expectNoLoss(loads: Load[]): Promise<void> {
  const [kept, fresh] = await Promise.all(loads.map((load) => load.stop()));
  expect([kept?.lost, fresh?.lost]).toEqual([[], []]);
  expect(kept?.opened).toBe(10);
}

/** Stops a run while a request is in flight; resolves with what has become of both. */
async function stopDuringRequest({ program, port }: Run): Promise<{ status: number; code: number | null }> {
  const slow = get({ port, path: '/slow' }).catch(() => ({ status: 0 }));
  await sleep(200);
  program.signal('SIGTERM');
  const { code } = await program.exited;
  return { status: (await slow).status, code };
}

describe('a standalone Next.js', () => {
  test('loses nothing over a restart, finishes its requests at a stop, and ends with 0', async () => {
    const served = await start();
    const loads = clients(served);
    expect(await served.command('restart')).toMatchObject({ code: 0 });
    await expectNoLoss(loads);
    await served.program.waitForPids(2);
    expect(await stopDuringRequest(served)).toEqual({ status: 200, code: 0 });
  });

  test('whose listener exits with 143 ends the run with 0', async () => {
    expect(await stopDuringRequest(await start({ env: { STOP_CODE: '143' } }))).toEqual({
      status: 200,
      code: 0,
    });
  });

  test('before version 14.1 loses in-flight requests at a stop, unless NEXT_MANUAL_SIG_HANDLE is set', async () => {
    const before = { BEFORE_14: 'true' };
    expect((await stopDuringRequest(await start({ env: before }))).status).toBe(0);
    const env = { ...before, NEXT_MANUAL_SIG_HANDLE: 'true' };
    expect(await stopDuringRequest(await start({ env }))).toEqual({ status: 200, code: 0 });
  });

  test('of a build that cannot answer loses nothing, with the `healthCheck` of docs/deploying.md', async () => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'endless.mjs');
    writeFileSync(file, preload);
    mkdirSync(path.join(folder, 'node_modules/@endless'), { recursive: true });
    symlinkSync(path.join(ROOT, 'packages/core'), path.join(folder, 'node_modules/@endless/core'));
    const served = await start({ flags: ['--', 'node', '--import', file] });
    const loads = clients(served);
    served.fault('no build');
    expect(await served.command('restart')).toMatchObject({
      code: 1,
      output: expect.stringMatching(/exited with status 1 before it was ready/),
    });
    served.fault();
    expect(await served.command('restart')).toMatchObject({ code: 0 });
    await expectNoLoss(loads);
  });
});
