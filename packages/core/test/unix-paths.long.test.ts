import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { nodeBinaries, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fixture, hup, temporaryFolder } from './program.js';
import { oldOneGone, serveOnPath, stopsWithoutTrace } from './unix-paths.js';

/** A path so long that no name beside it can be bound. */
function longPath(): string {
  const folder = temporaryFolder();
  const deep = path.join(folder, 'd'.repeat(105 - '/s'.length - folder.length - 1));
  mkdirSync(deep);
  return path.join(deep, 's');
}

describe.each(nodeBinaries())('on Node $version', ({ major, path: node }) => {
  test('a unix socket whose path leaves no room for another name keeps it over two restarts', async () => {
    const file = longPath();
    expect(file).toHaveLength(105);
    const served = await serveOnPath('chmod', { file, node });
    let pid = served.program.pid;
    for (const generation of [1, 2]) {
      pid = await hup(served.program, pid);
      await oldOneGone(served);
      expect([await served.answers(), served.mode()]).toEqual([`generation ${generation}`, 0o666]);
    }
    await stopsWithoutTrace(served, pid);
  });

  test('a file in the way of a name that could be guessed changes nothing', async () => {
    const served = await serveOnPath('squat', { node });
    const pid = await hup(served.program);
    await served.program.waitForPids(1);
    expect(await served.answers()).toBe('generation 1');
    served.program.signal('SIGTERM', pid);
  });

  test('a restart keeps a path that both programs remove', async () => {
    const served = await serveOnPath('unlink-before,unlink-at-exit,chmod', { node });
    const pid = await hup(served.program);
    await oldOneGone(served);
    expect([await served.answers(), served.mode()]).toEqual(['generation 1', 0o666]);
    await stopsWithoutTrace(served, pid);
  });

  // Node 20 and 22 have no permission model that a process can start others in.
  if (major >= 24)
    test('without leave to start a worker, a socket that a crash has left is left alone, and nothing else stays behind', async () => {
      const served = await serveOnPath('', { node });
      await served.program.stop();
      const program = startProgram(fixture('unix-paths.mjs'), {
        node,
        execArgv: [
          '--permission',
          '--allow-fs-read=*',
          '--allow-fs-write=*',
          ...(major < 26 ? [] : ['--allow-net']),
        ],
        env: { UNIX_PATH: served.file },
      });
      onTestFinished(() => program.stop());
      expect((await program.exited).code).toBe(1);
      expect(program.stderr).toContain('EADDRINUSE');
      expect(readdirSync(path.dirname(served.file))).toEqual(['app.sock']);
    });
});
