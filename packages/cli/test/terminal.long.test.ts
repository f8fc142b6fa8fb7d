import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, get, type Program, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { BIN, fixture, temporaryFolder, until } from './program.js';

const canScript = spawnSync('script', ['--version']).status === 0;
const BASH = 'bash --norc -i';

interface Session {
  terminal: Program;
  port: number;
  /** Types into the terminal. */
  type(keys: string): void;
  /** The pid of the supervisor; undefined once it has exited. */
  supervisor(): number | undefined;
}

/** An interactive shell in a terminal of its own, in which `endless run` is started by this line. */
async function session(line: string, shell = BASH): Promise<Session> {
  const port = await freePort();
  const terminal = startProgram(`exec ${shell}`, {
    node: 'script',
    execArgv: ['--quiet', '--flush', '--return', '--command'],
    args: ['/dev/null'],
    stdin: 'pipe',
    env: {
      PORT: String(port),
      SETTINGS: '{"rollbackWindow":100,"idleGrace":0}',
      FAULT_FILE: '/nowhere',
      PS1: '> ',
      ENV: undefined,
    },
  });
  onTestFinished(() => terminal.stop());
  const type = (keys: string) => void terminal.child.stdin?.write(keys);
  const command = `${process.execPath} ${BIN} run --control none ${fixture('endless.mjs')}`;
  type(`${line.replace('PROGRAM', command)}\n`);
  await terminal.waitFor(/pid \d+ is ready/);
  const runs = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${BIN}\0run`);
    } catch {
      return false;
    }
  };
  return { terminal, port, type, supervisor: () => terminal.pids().find(runs) };
}

const generation = async ({ port }: Session) => (await get({ port })).headers['x-generation'];

describe.skipIf(!canScript)('`endless run` in a terminal (needs script, of Debian’s bsdutils)', () => {
  /** What was typed into which shell, and whether the terminal is closed or the shell exits by itself. */
  const LONG_GONE: Record<string, [line: string, shell: string, hangUp: boolean]> = {
    'in the background of a shell that has exited': ['PROGRAM &', BASH, false],
    'in the background of a shell that signals no jobs': ['PROGRAM &', 'sh -i', true],
    'with nohup': ['nohup PROGRAM > LOG 2>&1 & tail -F LOG', BASH, true],
    'with nohup by a shell that does not name its command': [
      'nohup PROGRAM > LOG 2>&1 & tail -F LOG',
      'sh -i',
      true,
    ],
    'and disowned': ['PROGRAM & disown', BASH, true],
  };
  for (const [how, [line, shell, hangUp]] of Object.entries(LONG_GONE))
    test(`a SIGHUP long after the terminal went away restarts what was started ${how}`, async () => {
      const log = path.join(temporaryFolder(), 'log');
      const started = await session(line.replaceAll('LOG', log), shell);
      const { terminal, type, supervisor } = started;
      if (hangUp) terminal.signal('SIGKILL', terminal.pid);
      else type('exit\n');
      await terminal.exited;
      await sleep(1_500);
      expect(await generation(started)).toBe('0');
      if (how === 'with nohup')
        expect(readFileSync(log, 'utf8')).toContain('SIGHUP is ignored, since `nohup` has started');
      const pid = supervisor();
      terminal.signal('SIGHUP', pid);
      await until(async () => (await generation(started)) === '1');
      expect(supervisor()).toBe(pid);
      terminal.signal('SIGTERM', pid);
      await until(() => supervisor() === undefined);
    });

  test.each([
    ['is started in its foreground', 'PROGRAM'],
    ['bash signals in its background', 'PROGRAM &'],
  ])('a terminal that closes stops what %s, after the last answer', async (_how, line) => {
    const { terminal, port } = await session(line);
    const slow = get({ port, path: '/slow?1000' });
    await sleep(200);
    terminal.signal('SIGKILL', terminal.pid);
    expect((await slow).body).toBe('slow');
    await terminal.waitForPids(0);
  });
});
