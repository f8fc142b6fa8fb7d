import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, longTest, test } from '@endless/conformance';
import { freePort, startLoad, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { BIN, fixture, until } from './program.js';

const unshare = ['--fork', '--kill-child', '--mount-proc'];
const canUnshare = spawnSync('unshare', ['--pid', ...unshare, 'true']).status === 0;

const hasTini = spawnSync('tini', ['--version']).status === 0;

/** The children of a process that have exited and that it has not waited for. */
function zombiesOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const [state, ppid] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
        return state === 'Z' && Number(ppid) === parent ? [Number(pid)] : [];
      } catch {
        return [];
      }
    });
}

describe.skipIf(!canUnshare)('in a pid namespace of its own (needs unshare and root)', () => {
  for (const [register, name, before] of [
    [test, 'pid 1', []],
    [longTest, 'pid 1 after `sh -c exec`', ['sh', '-c', 'exec "$@"', 'sh']],
    [longTest, 'the child of a shell that is pid 1', ['sh', '-c', '"$@"; exit $?', 'sh']],
    [longTest, 'the child of tini (needs it)', ['tini', '--']],
  ] as const) {
    const below = before.length > 0 && !before.join().includes('exec');
    // Tini passes signals on; a shell does not.
    const signalled = below && before[0] !== 'tini' ? 2 : 1;
    register.skipIf(before[0] === 'tini' && !hasTini)(
      `as ${name}, 5 restarts under 30 kept-alive clients lose nothing`,
      async () => {
        const port = await freePort();
        const program = startProgram('--pid', {
          node: 'unshare',
          args: [
            ...[...unshare, ...before, process.execPath, BIN, 'run', '--control', 'none'],
            fixture('endless.mjs'),
          ],
          env: { PORT: String(port), FAULT_FILE: '/nowhere', SETTINGS: '{"rollbackWindow":100}' },
        });
        onTestFinished(() => program.stop());
        await program.waitFor(/is ready/);
        const supervisor = program.pids()[below ? 2 : 1] as number;
        const receiver = program.pids()[signalled] as number;
        const load = startLoad({ port, connections: 30, mode: 'keep-alive' });
        for (let restart = 1; restart <= 5; restart += 1) {
          program.signal('SIGHUP', receiver);
          await until(() => program.stderr.split('restart: done').length > restart, 15_000);
        }
        expect(await load.stop()).toMatchObject({ lost: [], opened: 30 });
        await until(() => [...zombiesOf(supervisor), ...zombiesOf(receiver)].length === 0);
        program.signal('SIGTERM', receiver);
        expect(await program.exited).toEqual({ code: 0, signal: null });
      },
      60_000,
    );
  }
});
