import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, test } from '@endless/conformance';
import { expect } from 'vitest';
import { BIN, run, temporaryFolder } from './program.js';

describe('the control socket', () => {
  test('shows the status to its owner alone', async () => {
    const { socket, program, command } = await run('plain.mjs');
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(socket)).mode & 0o777).toBe(0o700);
    const status = JSON.parse((await command('status', '--json')).output);
    expect(status).toMatchObject({
      pid: program.pid,
      state: 'running',
      workers: { target: 1, ready: 1, old: 0 },
      worker: [{ index: 0, state: 'ready', generation: 0, restarts: { crash: 0 }, lastExit: null }],
      draining: [],
      lastRestart: null,
    });
  });

  test('is in a folder of this user alone, in which the other commands look for it', async () => {
    const env = { TMPDIR: temporaryFolder() };
    const { program } = await run('plain.mjs', { env, control: null });
    const folder = path.join(env.TMPDIR, `endless-run-${process.geteuid?.()}`);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const options = { env: { ...process.env, ...env } };
    const { stdout } = await promisify(execFile)(process.execPath, [BIN, 'status', '--json'], options);
    expect(JSON.parse(stdout)).toMatchObject({ pid: program.pid, state: 'running' });
  });

  test('a second supervisor for the same socket is refused with exit code 5', async () => {
    const { socket, program } = await run('plain.mjs');
    const other = await run('plain.mjs', { control: socket, ready: /(?:)/ });
    expect(await other.program.exited).toMatchObject({ code: 5 });
    expect(other.program.stderr).toContain(
      `another supervisor serves ${socket}. Stop it by \`endless stop\`, or give this one another --control.`,
    );
    expect(program.pids()).toHaveLength(2);
  });

  test('`endless stop` waits for the exit; without a supervisor the commands exit with code 3', async () => {
    const { command, program } = await run('plain.mjs');
    expect((await command('stop')).code).toBe(0);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    for (const word of ['status', 'restart', 'stop']) expect((await command(word)).code).toBe(3);
  });

  test('a stale socket of a killed supervisor is replaced', async () => {
    const { socket, program } = await run('plain.mjs');
    program.signal('SIGKILL');
    await program.exited;
    const next = await run('plain.mjs', { control: socket });
    next.program.signal('SIGTERM');
    expect(await next.program.exited).toEqual({ code: 0, signal: null });
  });

  test.each(['', 'run', 'restart', 'scale', 'stop', 'status'])(
    '`endless %s --help` fits a screen',
    async (name) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        BIN,
        ...(name ? [name] : []),
        '--help',
      ]);
      const shown = stdout.split('\n');
      expect(shown[0]).toMatch(`Usage: endless ${name}`.trim());
      expect(shown.length).toBeLessThanOrEqual(24);
      expect(Math.max(...shown.map(({ length }) => length))).toBeLessThanOrEqual(80);
    },
  );
});
