import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve, temporaryFolder } from '@endless/conformance';
import { freePort, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { DrilledProgram } from '../dist/drill/drilled-program.js';
import { drill } from './drill.js';
import { BIN, fixture, getJson } from './program.js';

const SHORT = ['--times', '2', '--every', '300ms', '--json'];

describe('the drill', () => {
  test('finds each request that gets no response', async () => {
    const { port } = await serve(fixture('drill/loses.mjs'), {}, { env: { KIND: 'silence', EVERY: '50' } });
    const { report } = await drill(['--url', `http://127.0.0.1:${port}/`, '--do', 'true', ...SHORT]);
    const { seen, lost } = await getJson<{ seen: number; lost: number }>(port, '/counts');
    expect([report.lostBy, report.requests]).toEqual([{ silence: lost }, seen - 1]);
  });

  test.each([
    [{ CLOSE: '1012' }, 0, { 1012: 20 }],
    [{}, 20, { 1006: 20 }],
  ])('tells WebSockets with a close notice from those that are cut: %o', async (env, lost, closed) => {
    const { program, port } = await serve(fixture('drill/web-socket.mjs'), {}, { env });
    const url = `http://127.0.0.1:${port}/`;
    const command = `kill -USR2 ${program.pid}`;
    const { report } = await drill([
      '--url',
      url,
      '--do',
      command,
      '--websocket',
      '/socket',
      ...SHORT,
      '--every',
      '1s',
    ]);
    expect([report.lost, report.webSocketsClosed]).toEqual([lost, closed]);
  });

  test('says what in the program was in the way', async () => {
    const PORT = String(await freePort());
    const SECOND = String(await freePort());
    const words = ['--times', '1', '--every', '300ms', '--json', fixture('drill/in-the-way.mjs')];
    const { code, report, stderr } = await drill(words, { env: { PORT, SECOND } });
    expect(report, stderr).toBeDefined();
    const found = report.inTheWay.join('\n');
    expect(code).toBe(1);
    expect(found).toMatch(/process\.exit at \S*in-the-way\.mjs:13 cut \d+ requests? in flight/);
    expect(found).toMatch(/The SIGTERM listener at \S*in-the-way\.mjs:11 closes and exits/);
    expect(found).toMatch(/not ready for \d\.\d s/);
    expect(found).toMatch(
      new RegExp(`The listener of port ${SECOND} came \\d\\.\\d s after that of port ${PORT}`),
    );
    expect(found).toMatch(/The first response of a process took 2\.\d s/);
  });

  test('speaks TLS to a program that does, and names the connections that did not move', async () => {
    const PORT = String(await freePort());
    const TLS = fileURLToPath(new URL('../../core/test/fixtures/tls', import.meta.url));
    const words = ['--times', '1', '--every', '300ms', '--json', '--', 'node', fixture('drill/secure.mjs')];
    const { code, report } = await drill(words, { env: { PORT, TLS } });
    expect([code, report.target, report.lostBy]).toEqual([0, `https://127.0.0.1:${PORT}`, {}]);
    expect(report.inTheWay.join('\n')).toMatch(/In restarts \d+ responses had `Connection: close`/);
  });

  test('fails if a worker that replaces a killed one answers too early', async () => {
    const env = { PORT: String(await freePort()), PID_FILE: path.join(temporaryFolder(), 'pid') };
    const words = ['--times', '1', '--every', '500ms', '--json', fixture('drill/early-after-crash.mjs')];
    const { code, report, stderr } = await drill(words, { env });
    expect(report.phases.filter(({ lostBy }) => lostBy['503']).map(({ kind }) => kind)).toEqual(['kill']);
    expect([code, report.passed, Object.keys(report.lostBy)], stderr).toEqual([1, false, ['503']]);
  });

  test('does not wait for a worker that crashes at each start', async () => {
    const FAULT_FILE = path.join(temporaryFolder(), 'fault');
    writeFileSync(FAULT_FILE, 'exit 3');
    const env = { PORT: String(await freePort()), FAULT_FILE, FAULT_WORKER: '1' };
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const program = new DrilledProgram([fixture('plain.mjs')], 2);
    onTestFinished(() => program.end());
    await expect(program.addresses(new AbortController().signal, 10_000)).rejects.toThrow(
      /^not all workers were ready within 10 s\.\n[\s\S]*worker 1 .* exited with code 3/,
    );
  });

  test('does not wait for a worker that was ready without an address, and then crashes at each start', async () => {
    vi.stubEnv('ONCE', path.join(temporaryFolder(), 'once'));
    onTestFinished(() => void vi.unstubAllEnvs());
    const program = new DrilledProgram([fixture('drill/ready-once.mjs')], 1);
    onTestFinished(() => program.end());
    await expect(program.addresses(new AbortController().signal, 4_000)).rejects.toThrow(
      /^not all workers were ready within 4 s\.\n[\s\S]*is ready \(1 of 1\)[\s\S]*exited with code 3/,
    );
  });

  test('leaves no process and no file when it is interrupted, or killed', async () => {
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const TMPDIR = temporaryFolder();
      const PORT = String(await freePort());
      const run = startProgram(BIN, { args: ['drill', fixture('plain.mjs')], env: { PORT, TMPDIR } });
      onTestFinished(() => run.stop());
      await run.waitFor(/^before/m);
      run.signal(signal);
      await run.exited;
      await run.waitForPids(0, 20_000);
      expect(readdirSync(TMPDIR).filter((name) => name.startsWith('endless-drill'))).toEqual([]);
    }
  });
});
