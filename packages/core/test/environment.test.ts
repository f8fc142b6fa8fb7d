import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort, type ProgramOptions, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fixture, getJson, hup, temporaryFolder, until } from './program.js';

interface Told {
  pid: number;
  generation: number;
  secret?: string;
  env: Record<string, string>;
}

interface App {
  /** Writes a file of its folder. */
  write(name: string, text: string): void;
  remove(name: string): void;
  told(): Promise<Told>;
  /** Restarts the program, and resolves with the report of the new process. */
  restart(): Promise<Told>;
}

/** Starts the program in a folder of its own. */
async function start(
  files: Record<string, string>,
  env: Record<string, string> = {},
  { args = [], ...options }: ProgramOptions = {},
): Promise<App> {
  const [folder, port] = [temporaryFolder(), await freePort()];
  const write = (name: string, text: string) => writeFileSync(path.join(folder, name), text);
  for (const [name, text] of Object.entries(files)) write(name, text);
  const program = startProgram(options.node === undefined ? fixture('configured.mjs') : 'run', {
    ...options,
    args,
    cwd: folder,
    env: { PORT: String(port), ...env },
  });
  onTestFinished(() => program.stop());
  await program.waitFor(/listening \d+ 0/);
  const told = () => getJson<Told>(port, '/');
  return {
    write,
    remove: (name) => rmSync(path.join(folder, name)),
    told,
    async restart() {
      const { pid, generation } = await told();
      await hup(program, pid);
      await until(async () => (await told()).generation === generation + 1);
      return told();
    },
  };
}

describe('a successor gets the environment of the start:', () => {
  for (const way of ['dotenv', 'loadEnvFile'])
    test(`a value that ${way} has loaded is that of the changed file, over and over`, async () => {
      const app = await start(
        { '.env': 'GREETING=old\nREMOVED_LATER=1\nSTRONG=file\n' },
        { LOAD: way, STRONG: 'shell' },
      );
      expect((await app.told()).env).toMatchObject({ GREETING: 'old', REMOVED_LATER: '1', STRONG: 'shell' });
      for (const value of ['new', 'newer']) {
        app.write('.env', `GREETING=${value}\nADDED=${value}\nSTRONG=file\n`);
        const { env } = await app.restart();
        expect(env).toMatchObject({ GREETING: value, ADDED: value, STRONG: 'shell' });
        expect(env).not.toHaveProperty('REMOVED_LATER');
      }
    });

  test('a secret that the program deletes is there for each of them', async () => {
    const app = await start({}, { LOAD: 'deletion', SECRET: 's3cret' });
    for (const { secret, env } of [await app.told(), await app.restart(), await app.restart()]) {
      expect(secret).toBe('s3cret');
      expect(env).not.toHaveProperty('SECRET');
    }
  });

  test('what the program adds is not there, nor what its parent meant for it alone', async () => {
    const app = await start(
      {},
      { LISTEN_PID: '1', LISTEN_FDS: '1', WATCHDOG_PID: '1', WATCHDOG_USEC: '1000000' },
    );
    const { pid } = await app.told();
    expect((await app.told()).env.ADDED_LATE).toBe(`by ${pid}`);
    const { env } = await app.restart();
    expect(
      Object.keys(env).filter((name) => /^(ADDED|ENDLESS_HAND|LISTEN_|WATCHDOG_|NODE_CH)/.test(name)),
    ).toEqual([]);
  });

  test('one of 200 entries of a kilobyte, with values that hold what separates entries', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 200 }, (_, index) => [`MANY_${index}`, `=\n"${index}"=ä`.repeat(80)]),
    );
    const app = await start({}, { ...many, EMPTY: '' });
    await app.restart();
    expect((await app.restart()).env).toMatchObject({ ...many, EMPTY: '' });
  });

  test('an entry of `restart.env` that a later release no longer has is as it was at the start', async () => {
    const env = { CHANGED: 'by restart.env', ADDED: 'by restart.env', REMOVED: null };
    const app = await start(
      { 'restart.json': JSON.stringify({ env }) },
      { CHANGED: 'start', REMOVED: 'start' },
    );
    const second = await app.restart();
    expect(second.env).toMatchObject({ CHANGED: 'by restart.env', ADDED: 'by restart.env' });
    expect(second.env).not.toHaveProperty('REMOVED');
    // The third is still started by a release that has it.
    app.remove('restart.json');
    expect((await app.restart()).env).toMatchObject({ ADDED: 'by restart.env' });
    const { env: last } = await app.restart();
    expect(last).toMatchObject({ CHANGED: 'start', REMOVED: 'start' });
    expect(last).not.toHaveProperty('ADDED');
  });

  const withoutProc = ['--mount', 'sh', '-c'];
  const hide = 'mount -t tmpfs none /proc && exec';
  const canHide = spawnSync('unshare', [...withoutProc, `${hide} true`]).status === 0;
  test.skipIf(!canHide)(
    'without /proc, that of the moment at which endless was loaded (needs unshare)',
    async () => {
      const app = await start(
        { '.env': 'FROM_FILE=old\n' },
        { LOAD: 'deletion', SECRET: 's3cret', SHELL_SET: 'yes' },
        {
          node: 'unshare',
          execArgv: [
            ...withoutProc,
            `${hide} ${process.execPath} --env-file=.env ${fixture('configured.mjs')}`,
          ],
        },
      );
      app.write('.env', 'FROM_FILE=new\n');
      const { env, secret } = await app.restart();
      expect(env).toMatchObject({ FROM_FILE: 'new', SHELL_SET: 'yes' });
      expect(env).not.toHaveProperty('ADDED_LATE');
      // It was deleted before.
      expect(secret).toBeUndefined();
    },
  );
});
