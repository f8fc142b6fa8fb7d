import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { freePort, get, type Program, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, getJson, hup, serve, temporaryFolder, until } from './program.js';

const resolve = (file: string) => createRequire(import.meta.url).resolve(file);
const nodemon = resolve('nodemon/bin/nodemon.js');
const tsx = path.join(path.dirname(resolve('tsx/package.json')), 'dist/cli.mjs');

describe('under PM2', () => {
  interface Managed {
    port: number;
    pid: number;
    /** The messages that it has sent to PM2. */
    heard: unknown[];
    say(message: unknown): void;
    signal(signal: NodeJS.Signals): void;
    exited: Promise<number | null>;
    stderr(): string;
  }

  /** Starts the program as PM2's fork mode does: with a channel and PM2's variables. */
  async function managed(env: Record<string, string> = {}): Promise<Managed> {
    const port = await freePort();
    const child = fork(fixture('plain-endless.mjs'), {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, PORT: String(port), pm_id: '0', PM2_HOME: '/nowhere', ...env },
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const heard: unknown[] = [];
    child.on('message', (message) => heard.push(message));
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (text) => {
      stdout += text;
    });
    child.stderr?.on('data', (text) => {
      stderr += text;
    });
    const exited = new Promise<number | null>((done) => child.once('exit', done));
    await until(() => stdout.includes('listening'));
    return {
      port,
      pid: child.pid as number,
      heard,
      say: (message) => void child.send(message as string),
      signal: (signal) => void child.kill(signal),
      exited,
      stderr: () => stderr,
    };
  }

  test("sends 'ready' once it serves where `wait_ready` asks for it, and not otherwise", async () => {
    const asked = await managed({ wait_ready: 'true' });
    await until(() => asked.heard.length > 0);
    const { heard } = await managed();
    await sleep(200);
    expect([asked.heard, heard]).toEqual([['ready'], []]);
  });

  for (const [how, stop] of Object.entries({
    "the message 'shutdown'": (app: Managed) => app.say('shutdown'),
    SIGINT: (app: Managed) => app.signal('SIGINT'),
  }))
    test(`drains on ${how}`, async () => {
      const app = await managed({ SETTINGS: '{"idleGrace":100}' });
      // Messages of another program.
      app.say('hello');
      app.say({ type: 'shutdown' });
      const slow = get({ port: app.port, path: '/slow' });
      await sleep(200);
      stop(app);
      expect((await slow).body).toBe(`pid ${app.pid}`);
      expect(await app.exited).toBe(0);
    });

  test('refuses to restart, says why, and serves on', async () => {
    const app = await managed();
    app.signal('SIGHUP');
    await until(() => app.stderr().includes('Use `pm2 reload`'));
    expect((await get({ port: app.port })).body).toBe(`pid ${app.pid}`);
  });

  test('a program that one of its processes starts, without a channel, is no process of PM2', async () => {
    const { program, port } = await serve('app.mjs', {}, { env: { pm_id: '0', PM2_HOME: '/nowhere' } });
    await hup(program);
    expect((await get({ port })).body).toBe('generation 1');
  });
});

describe('as a worker of node:cluster', () => {
  longTest('drains on SIGTERM, and refuses to restart', async () => {
    const { program, port } = await serve('worker.mjs', { idleGrace: 100 });
    const [, worker] = await program.waitFor(/listening (\d+) 0/);
    expect(await getJson(port, '/restart')).toMatchObject({
      code: 'ERR_ENDLESS_UNSUPPORTED',
      message: expect.stringContaining('cluster'),
    });
    program.signal('SIGHUP', Number(worker));
    await program.waitFor('A restart needs the main thread');
    const slow = get({ port, path: '/slow' });
    await sleep(200);
    program.signal('SIGTERM', Number(worker));
    expect((await slow).body).toBe('slow');
    await program.waitFor('worker ended 0 null');
  });

  longTest('force-closes a request that never ends', async () => {
    const { program, port } = await serve('worker.mjs', { hammerTime: 500 });
    const [, worker] = await program.waitFor(/listening (\d+) 0/);
    const never = get({ port, path: '/never' }).catch(() => 'cut');
    await sleep(200);
    program.signal('SIGTERM', Number(worker));
    expect(await never).toBe('cut');
    await program.waitFor('worker ended 1 null');
  });
});

describe('a watcher that restarts it by itself does not hang', () => {
  const ways: Record<string, { execArgv: string[]; rounds?: number }> = {
    nodemon: { execArgv: [nodemon, '--quiet', '--watch', '.', '--delay', '100ms'] },
    'nodemon with another command': {
      execArgv: [
        nodemon,
        '--quiet',
        '--watch',
        '.',
        '--delay',
        '100ms',
        '--exec',
        `${process.execPath} --no-warnings`,
      ],
    },
    'node --watch': { execArgv: ['--watch'], rounds: 2 },
    'tsx watch': { execArgv: [tsx, 'watch'] },
  };
  for (const [name, { execArgv, rounds = 1 }] of Object.entries(ways))
    longTest(name, async () => {
      const folder = temporaryFolder();
      const file = path.join(folder, 'server.mjs');
      const source = (version: number) => `import '${fixture('plain-endless.mjs')}'; // ${version}\n`;
      writeFileSync(file, source(0));
      const port = await freePort();
      const program = startProgram('server.mjs', {
        cwd: folder,
        execArgv,
        // nodemon and tsx also read the keyboard.
        stdin: 'pipe',
        env: { PORT: String(port), SETTINGS: '{"idleGrace":100}' },
      });
      onTestFinished(() => program.stop());
      await program.waitFor(/listening \d+ 0/);
      await sleep(500);
      let [pid, after] = [await pidAt(port), program.stdout.length];
      for (let round = 1; round <= rounds; round += 1) {
        // In flight when the file changes: answered, and only then comes the next.
        const slow = get({ port, path: '/slow' });
        await sleep(100);
        writeFileSync(file, source(round));
        expect((await slow).body).toBe(pid);
        await program.waitFor(/listening \d+ 0/, { from: 'stdout', after, timeout: 10_000 });
        after = program.stdout.length;
        expect(await pidAt(port)).not.toBe(pid);
        pid = await pidAt(port);
        await sleep(300);
      }
      await stopAll(program);
    });

  const pidAt = async (port: number) => (await get({ port })).body;

  /** Ctrl-C signals all processes in the foreground. */
  async function stopAll(program: Program): Promise<void> {
    for (const pid of program.pids()) process.kill(pid, 'SIGINT');
    await program.waitForPids(0, 8_000);
  }
});
