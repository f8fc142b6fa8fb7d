import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { freePort, get, type Program, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, temporaryFolder, until } from './program.js';

const canScript = spawnSync('script', ['--version']).status === 0;

interface Session {
  terminal: Program;
  port: number;
  /** Types into the terminal. */
  type(keys: string): void;
  /** The pids of the program among all processes of the terminal. */
  servers(): number[];
  /** The newest server, as the log names it. */
  newest(): number;
}

/** An interactive shell in a terminal of its own, in which the program is started by this line. */
async function session(line: string, settings: object = {}, shell = 'sh -i'): Promise<Session> {
  const port = await freePort();
  const terminal = startProgram(`exec ${shell}`, {
    node: 'script',
    execArgv: ['--quiet', '--flush', '--return', '--command'],
    args: ['/dev/null'],
    stdin: 'pipe',
    env: {
      PORT: String(port),
      SETTINGS: JSON.stringify({ rollbackWindow: 100, ...settings }),
      PS1: '> ',
      ENV: undefined,
    },
  });
  onTestFinished(() => terminal.stop());
  const type = (keys: string) => void terminal.child.stdin?.write(keys);
  const said = (pattern: RegExp) => [...terminal.output.matchAll(pattern)].map(([, pid]) => Number(pid));
  type(`${line.replace('PROGRAM', `${process.execPath} ${fixture('in-terminal.mjs')}`)}\n`);
  await terminal.waitFor(/listening \d+ 0/);
  return {
    terminal,
    port,
    type,
    servers: () => said(/listening (\d+) \d/g).filter((pid) => terminal.pids().includes(pid)),
    newest: () => said(/listening (\d+) \d/g).at(-1) as number,
  };
}

async function restart({ terminal, newest }: Session): Promise<{ old: number; fresh: number }> {
  const old = newest();
  terminal.signal('SIGHUP', old);
  const [, fresh] = await terminal.waitFor(new RegExp(`${old} pid (\\d+), generation \\d+, has taken over`));
  return { old, fresh: Number(fresh) };
}

describe.skipIf(!canScript)('in a terminal (needs script, of Debian’s bsdutils)', () => {
  test('Ctrl-C while both live ends both, after the last answer', async () => {
    const shell = await session('PROGRAM');
    const slow = get({ port: shell.port, path: '/slow?ms=1000' });
    await shell.terminal.waitFor('asked /slow');
    const { old, fresh } = await restart(shell);
    await until(() => shell.servers().length === 2);
    shell.type('\x03');
    await shell.terminal.waitFor(`${fresh} Received SIGINT.`);
    await shell.terminal.waitFor(`${old} Received SIGINT. This process drains and exits.`);
    expect((await slow).body).toBe('generation 0');
    await until(() => shell.servers().length === 0);
    // The shell is there, and has the terminal.
    shell.type('echo it is $((6 * 7))\n');
    await shell.terminal.waitFor('it is 42');
  });

  test('once the old process has exited, its last line has named the new one, and the keys are the shell’s', async () => {
    const shell = await session('PROGRAM');
    const { old, fresh } = await restart(shell);
    await shell.terminal.waitFor(`${old} pid ${fresh} serves on.`);
    await until(() => !shell.terminal.pids().includes(old));
    const lines = shell.terminal.output.split(/\r?\n/).filter((line) => line.includes(`endless ${old} `));
    expect(lines.at(-1)).toContain(
      `pid ${fresh} serves on. The terminal is the shell's again: Ctrl-C does not reach that process, \`kill ${fresh}\` does.`,
    );
    for (let round = 0; round < 20; round += 1) {
      shell.type(`echo typed $((${round} + 100))\n`);
      await shell.terminal.waitFor(`typed ${round + 100}`);
    }
    shell.type('\x03');
    await sleep(300);
    expect(shell.servers()).toEqual([fresh]);
    shell.type(`kill ${fresh}\n`);
    await until(() => shell.servers().length === 0);
  });

  longTest(
    'the last line of the oldest of three names the newest, although the second still drains',
    async () => {
      const shell = await session('PROGRAM');
      const oldest = get({ port: shell.port, path: '/slow?ms=1500' });
      await shell.terminal.waitFor('asked /slow');
      const { old } = await restart(shell);
      const after = shell.terminal.stdout.length;
      const older = get({ port: shell.port, path: '/slow?ms=4000' });
      await shell.terminal.waitFor('asked /slow', { from: 'stdout', after });
      const { old: second, fresh } = await restart(shell);
      await shell.terminal.waitFor(`${old} pid ${fresh} serves on.`);
      expect(shell.terminal.pids()).toContain(second);
      expect([(await oldest).body, (await older).body]).toEqual(['generation 0', 'generation 1']);
    },
  );

  for (const restarts of rowsOf([0, 2], (restarts) => restarts === 2))
    rowTest(`closing it after ${restarts} restarts ends the server, after the last answer`, async () => {
      const shell = await session('PROGRAM');
      for (let round = 0; round < restarts; round += 1) {
        await restart(shell);
        await until(() => shell.servers().length === 1);
      }
      const slow = get({ port: shell.port, path: '/slow?ms=1000' });
      await shell.terminal.waitFor('asked /slow');
      shell.terminal.signal('SIGKILL', shell.terminal.pid);
      // It says what it does to a terminal that is gone, and so does the program.
      expect((await slow).body).toBe(`generation ${restarts}`);
      await until(() => shell.servers().length === 0);
      await shell.terminal.waitForPids(0);
    });

  longTest('closing it while both live leaves neither behind', async () => {
    const shell = await session('PROGRAM', { hammerTime: 2_000 });
    const slow = get({ port: shell.port, path: '/never' }).catch(() => 'cut');
    await shell.terminal.waitFor('asked /never');
    await restart(shell);
    await until(() => shell.servers().length === 2);
    const later = get({ port: shell.port, path: '/slow?ms=1000' });
    await shell.terminal.waitFor('asked /slow');
    shell.terminal.signal('SIGKILL', shell.terminal.pid);
    expect((await later).body).toBe('generation 1');
    await until(() => shell.servers().length === 0);
    expect(await slow).toBe('cut');
  });

  longTest(
    'closing it leaves alone what was started in the background to stay, also after a restart',
    async () => {
      const shell = await session('PROGRAM &');
      await restart(shell);
      await until(() => shell.servers().length === 1);
      shell.terminal.signal('SIGKILL', shell.terminal.pid);
      // It looks every second.
      await sleep(1_800);
      expect(shell.servers()).toEqual([shell.newest()]);
      expect((await get({ port: shell.port })).body).toBe('generation 1');
    },
  );

  const bash = 'bash --norc -i';
  const longGone: Record<string, [line: string, shell: string, hangUp: boolean]> = {
    'in the background of a shell that has exited': ['PROGRAM &', bash, false],
    'in the background of a shell that signals no jobs': ['PROGRAM &', 'sh -i', true],
    'with nohup': ['nohup PROGRAM > log 2>&1 & tail -F log', bash, true],
    'with nohup by a shell that does not name its command': [
      'nohup PROGRAM > log 2>&1 & tail -F log',
      'sh -i',
      true,
    ],
    'and disowned': ['PROGRAM & disown', bash, true],
  };
  for (const [how, [line, shell, hangUp]] of rowsOf(Object.entries(longGone), (_row, at) => at === 0))
    rowTest(`a SIGHUP long after the terminal went away restarts what was started ${how}`, async () => {
      const log = path.join(temporaryFolder(), 'log');
      const { terminal, port, type } = await session(line.replaceAll(' log', ` ${log}`), {}, shell);
      if (hangUp) terminal.signal('SIGKILL', terminal.pid);
      else type('exit\n');
      await terminal.exited;
      await sleep(1_500);
      const [pid] = terminal
        .pids()
        .filter((each) => readFileSync(`/proc/${each}/cmdline`).includes('in-terminal'));
      expect((await get({ port })).body).toBe('generation 0');
      terminal.signal('SIGHUP', pid);
      await until(async () => (await get({ port })).body === 'generation 1');
    });

  test('a SIGHUP that the shell sends to its jobs when the terminal goes away stops them', async () => {
    const shell = await session('PROGRAM &', {}, bash);
    shell.terminal.signal('SIGKILL', shell.terminal.pid);
    await until(() => shell.servers().length === 0);
  });
});
