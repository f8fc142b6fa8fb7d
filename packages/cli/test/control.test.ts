import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { request } from 'node:http';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, test } from '@endless/conformance';
import { expect } from 'vitest';
import { BIN, run } from './program.js';

/** Sends one request to a control socket, and resolves with the status and the body. */
function ask(socketPath: string, method: string, url: string, body = ''): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, method, path: url }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve([response.statusCode ?? 0, text]);
    });
    asked.once('error', reject);
    asked.end(body);
  });
}

describe('the control socket', () => {
  test('shows the status to its owner alone, and answers nonsense with a 4xx that changes nothing', async () => {
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
    const codes = await Promise.all([
      ask(socket, 'GET', '/nothing'),
      ask(socket, 'GET', '/restart'),
      ask(socket, 'DELETE', '/status'),
      ask(socket, 'POST', '/restart', 'no json'),
      ask(socket, 'POST', '/restart', '[1]'),
      ask(socket, 'POST', '/scale', '{"to":"lots"}'),
      ask(socket, 'POST', '/scale', '{"to":-1}'),
      ask(socket, 'POST', '/scale', `{"to":"${'9'.repeat(5_000)}"}`),
    ]);
    expect(codes.map(([code]) => code)).toEqual([404, 405, 405, 400, 400, 400, 400, 400]);
    expect(JSON.parse((await command('status', '--json')).output)).toMatchObject({
      worker: [{ pid: status.worker[0].pid }],
      lastRestart: null,
    });
  });

  test('a second supervisor for the same socket is refused with exit code 5', async () => {
    const { socket, program } = await run('plain.mjs');
    const other = await run('plain.mjs', { flags: ['--control', socket], ready: /(?:)/ });
    expect(await other.program.exited).toMatchObject({ code: 5 });
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
    const next = await run('plain.mjs', { flags: ['--control', socket] });
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

  test('a wrong command line ends with code 2', async () => {
    const { command } = await run('plain.mjs');
    expect((await command('nothing')).code).toBe(2);
    expect((await command('scale')).code).toBe(2);
  });
});
