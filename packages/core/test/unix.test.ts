import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { get, nodeBinaries, type Program, startLoad, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fixture, hup, temporaryFolder, until } from './program.js';

const LISTENING = /listening \d+ 0/;

/** Starts the app on a unix socket. */
function start(file: string, node = process.execPath): Program {
  const program = startProgram(fixture('app.mjs'), {
    node,
    env: { ADDRESS: `unix:${file}`, SETTINGS: JSON.stringify({ idleGrace: 100, rollbackWindow: 100 }) },
  });
  onTestFinished(() => program.stop());
  return program;
}

/** A socket without a listener, as a killed process leaves it. */
async function crashed(): Promise<string> {
  const file = path.join(temporaryFolder(), 'app.sock');
  const program = start(file);
  await program.waitFor(LISTENING);
  program.signal('SIGKILL');
  await program.waitForPids(0);
  expect(statSync(file).isSocket()).toBe(true);
  return file;
}

const inode = (file: string) => statSync(file, { bigint: true }).ino;

describe('a unix socket over a restart', () => {
  test('is there at every moment, with its owner and its mode', async () => {
    const file = path.join(temporaryFolder(), 'app.sock');
    const program = start(file);
    await program.waitFor(LISTENING);
    chmodSync(file, 0o640);
    // Only root can give a file away; anybody can give it to a group of its own.
    if (process.getuid?.() === 0) chownSync(file, 12_345, 12_346);
    const { uid, gid, mode, ino } = statSync(file);
    const watcher = spawn(process.execPath, [
      '-e',
      `const { statSync } = require('node:fs'); let missing = 0, looks = 0;
      process.on('SIGTERM', () => { console.log(missing, looks); process.exit(); });
      (function look() { for (let i = 0; i < 500; i += 1) { looks += 1; try { statSync(${JSON.stringify(file)}); } catch { missing += 1; } } setImmediate(look); })();`,
    ]);
    onTestFinished(() => void watcher.kill('SIGKILL'));
    let seen = '';
    watcher.stdout.on('data', (text) => {
      seen += text;
    });
    const load = startLoad({ path: file, connections: 10, mode: 'new-connection' });
    await until(() => load.answered > 0);
    for (let restarts = 0; restarts < 5; restarts += 1) await hup(program);
    await until(() => load.answers.has('5'));
    expect((await load.stop()).lost).toEqual([]);
    await program.waitForPids(1);
    watcher.kill('SIGTERM');
    await until(() => seen !== '');
    const [missing, looks] = seen.split(' ').map(Number);
    expect(missing).toBe(0);
    expect(looks).toBeGreaterThan(1_000);
    const after = statSync(file);
    expect([after.uid, after.gid, after.mode, after.ino]).toEqual([uid, gid, mode, ino]);
  });
});

describe('a unix socket that a crash has left', () => {
  const ends = nodeBinaries().filter(({ major }) => major === 20 || major === 26);
  for (const { major, path: node } of ends)
    test(`makes way, and is removed at the next real stop (Node ${major})`, async () => {
      const file = await crashed();
      const program = start(file, node);
      await program.waitFor(LISTENING);
      expect((await get({ socketPath: file })).body).toBe('generation 0');
      const second = await hup(program);
      expect((await get({ socketPath: file })).body).toBe('generation 1');
      await program.waitForPids(1);
      program.signal('SIGTERM', second);
      await program.waitForPids(0);
      expect(existsSync(file)).toBe(false);
    });

  test('makes way for exactly one of several starters', { timeout: 60_000 }, async () => {
    for (let round = 0; round < 2; round += 1) {
      const file = await crashed();
      const starters = Array.from({ length: 6 }, () => start(file));
      const ends = await Promise.all(
        starters.map((program) =>
          Promise.race([program.waitFor(LISTENING).then(() => 'listens'), program.exited.then(() => 'left')]),
        ),
      );
      expect(ends.filter((end) => end === 'listens')).toHaveLength(1);
      const [winner] = starters.filter((_program, index) => ends[index] === 'listens');
      expect((await get({ socketPath: file })).headers['x-pid']).toBe(String(winner?.pid));
      for (const program of starters) if (program !== winner) expect(program.stderr).toContain('EADDRINUSE');
      await Promise.all(starters.map((program) => program.stop()));
    }
  });
});

describe('what is at the path is left alone, and listening fails with EADDRINUSE:', () => {
  async function refused(file: string): Promise<void> {
    const program = start(file);
    expect((await program.exited).code).toBe(1);
    expect(program.stderr).toContain('EADDRINUSE');
  }

  test('a server that lives', async () => {
    const file = path.join(temporaryFolder(), 'app.sock');
    // A process that checks for a living server does not wait for its answer.
    const server = net.createServer((socket) => socket.on('error', () => {}).end('mine'));
    await new Promise<void>((resolve) => server.listen(file, resolve));
    onTestFinished(() => void server.close());
    const before = inode(file);
    await refused(file);
    expect(inode(file)).toBe(before);
    const text = await new Promise((resolve) =>
      net.connect(file).once('data', (data) => resolve(String(data))),
    );
    expect(text).toBe('mine');
  });

  test('a server that lives and does not move', async () => {
    const file = path.join(temporaryFolder(), 'app.sock');
    const other = start(file);
    await other.waitFor(LISTENING);
    const before = inode(file);
    other.signal('SIGSTOP');
    await refused(file);
    other.signal('SIGCONT');
    expect(inode(file)).toBe(before);
    expect((await get({ socketPath: file })).headers['x-pid']).toBe(String(other.pid));
  });

  test('a file', async () => {
    const file = path.join(temporaryFolder(), 'app.sock');
    writeFileSync(file, 'precious');
    await refused(file);
    expect(readFileSync(file, 'utf8')).toBe('precious');
  });
});
