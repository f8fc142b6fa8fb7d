import { readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, nodeBinaries } from '@endless/testkit';
import { expect, test } from 'vitest';
import { answerOf, canBind, describeNotTaken, killFirst } from './not-taken.js';
import { getJson, hup, serve, temporaryFolder, until } from './program.js';

describeNotTaken();

for (const { major, path: node } of nodeBinaries())
  test(`an old process is killed at any moment after the fork: the new one serves, or leaves the address free (Node ${major})`, async () => {
    for (let round = 0; round < 5; round += 1) {
      const { program, port } = await serve('app.mjs', { rollbackWindow: 100 }, { node });
      const after = program.output.length;
      program.signal('SIGHUP');
      await program.waitFor(/event spawned/, { after });
      await sleep(round * 35);
      await killFirst(program);
      const [pid] = await Promise.race([
        program.waitForPids(0),
        until(async () => /^generation [01]$/.test(await answerOf(port))).then(() => program.pids()),
      ]);
      if (pid === undefined) expect(await canBind(port)).toBe('free');
      expect(program.output).not.toContain('EADDRINUSE');
      await program.stop();
    }
  }, 60_000);

test('failed and good restarts leave no descriptor open in the old process, nor in the new one', async () => {
  const faultFile = path.join(temporaryFolder(), 'fault');
  const { program, port } = await serve(
    'app.mjs',
    { rollbackWindow: 100, idleGrace: 50 },
    { env: { FAULT_FILE: faultFile } },
  );
  const open = async () => {
    const { headers } = await get({ port });
    const fds = `/proc/${headers['x-pid']}/fd`;
    return readdirSync(fds)
      .map((fd) => linkOf(`${fds}/${fd}`))
      .sort();
  };
  const kinds = (links: (string | undefined)[]) => links.map((link) => link?.replace(/\d+/, '')).sort();
  const before = kinds(await open());
  for (const fault of ['exit-3', 'throw-after-listening', 'exit-0', 'unhealthy']) {
    writeFileSync(faultFile, fault);
    for (let failed = 0; failed < 2; failed += 1)
      expect((await getJson<{ code: string }>(port, '/restart')).code).toMatch(/^ERR_ENDLESS_/);
  }
  rmSync(faultFile);
  await until(async () => kinds(await open()).length <= before.length);
  let newest = program.pid;
  for (let good = 0; good < 4; good += 1) {
    newest = await hup(program, newest);
    await program.waitForPids(1);
  }
  // The channel to the old process closes with it.
  await until(async () => kinds(await open()).length <= before.length);
}, 60_000);

function linkOf(fd: string): string | undefined {
  try {
    return readlinkSync(fd);
  } catch {
    return undefined;
  }
}

for (const { major, path: node } of nodeBinaries().filter(({ major }) => major >= 24))
  test(`with the permission model, in a folder that may not be read, a restart works (Node ${major})`, async () => {
    const readable = path.resolve(import.meta.dirname, '../../..');
    const { program, port } = await serve(
      'app.mjs',
      { rollbackWindow: 100 },
      {
        node,
        cwd: temporaryFolder(),
        env: { FAULT_FILE: path.join(readable, 'no-fault') },
        execArgv: [
          '--no-warnings',
          '--permission',
          '--allow-child-process',
          `--allow-fs-read=${readable}`,
          ...(major < 26 ? [] : ['--allow-net']),
        ],
      },
    );
    expect(await getJson(port, '/restart')).toMatchObject({ generation: 1 });
    await until(async () => (await get({ port })).body === 'generation 1');
    await program.waitForPids(1);
  });
