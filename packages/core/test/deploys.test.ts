import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import {
  freePort,
  get,
  nodeBinaries,
  type Program,
  type ProgramOptions,
  startProgram,
  testedNodes,
} from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, getJson, hup, temporaryFolder, until } from './program.js';

/** The report of the program about its own start. */
interface Told {
  pid: number;
  generation: number;
  release: string;
  script: string;
  args: string[];
  execArgv: string[];
  cwd: string;
  env: Record<string, string>;
}

const ENTRY = 'server.mjs';
const tsx = path.join(
  path.dirname(createRequire(import.meta.url).resolve('tsx/package.json')),
  'dist/cli.mjs',
);

/** Makes the folder of one release, whose program prints its release. */
function release(folder: string, name: string, entry = ENTRY): string {
  const to = path.join(folder, name);
  mkdirSync(to, { recursive: true });
  writeFileSync(
    path.join(to, entry),
    `globalThis.release = '${name}';\nawait import('${fixture('deployed.mjs')}');\n`,
  );
  return to;
}

/** Points `current` at a release as a deploy does: by rename, so that it is never missing. */
function point(folder: string, name: string): void {
  symlinkSync(name, path.join(folder, 'next'));
  renameSync(path.join(folder, 'next'), path.join(folder, 'current'));
}

interface Deployed {
  program: Program;
  port: number;
  told(): Promise<Told>;
}

/** Starts a command with PORT in its environment and waits until its program listens. */
async function deploy(file: string, options: ProgramOptions & { settings?: object } = {}): Promise<Deployed> {
  const { settings = {}, env, ...rest } = options;
  const port = await freePort();
  const program = startProgram(file, {
    ...rest,
    env: { PORT: String(port), SETTINGS: JSON.stringify({ rollbackWindow: 100, ...settings }), ...env },
  });
  onTestFinished(() => program.stop());
  await program.waitFor(/listening \d+ 0/);
  return { program, port, told: () => getJson<Told>(port, '/') };
}

/** Starts it as a shell does that was asked to run a command line. */
function deployByShell(
  line: string,
  options: ProgramOptions & { settings?: object } = {},
): Promise<Deployed> {
  return deploy(line, { ...options, node: '/bin/sh', execArgv: ['-c'] });
}

/** Restarts the process that listens, which may not be the first one of the program. */
async function restart({ program, told }: Deployed): Promise<Told> {
  const { pid, generation } = await told();
  await hup(program, pid);
  await until(async () => (await told()).generation === generation + 1);
  return told();
}

describe('a `current` link that was switched runs the new release', () => {
  const ways: Record<string, (folder: string) => [line: string, cwd: string]> = {
    'started by its path': (folder) => [`exec node ${folder}/current/${ENTRY} --flag`, folder],
    'started by a relative path': () => [`exec node current/${ENTRY} --flag`, ''],
    'started after `cd current`': () => [`cd current; exec node ${ENTRY} --flag`, ''],
    'with the name of the script in another folder': () => [
      `cd current; exec node ../current/${ENTRY} --flag`,
      '',
    ],
  };
  for (const [way, lineOf] of rowsOf(Object.entries(ways), (_row, at) => at === 1 || at === 2))
    rowTest(way, async () => {
      const folder = temporaryFolder();
      for (const name of ['one', 'two', 'three']) release(folder, name);
      point(folder, 'one');
      const [line] = lineOf(folder);
      const deployed = await deployByShell(line, { cwd: folder });
      expect(await deployed.told()).toMatchObject({ release: 'one', args: ['--flag'] });
      point(folder, 'two');
      expect(await restart(deployed)).toMatchObject({ release: 'two', args: ['--flag'], execArgv: [] });
      rmSync(path.join(folder, 'one'), { recursive: true });
      point(folder, 'three');
      expect(await restart(deployed)).toMatchObject({ release: 'three', args: ['--flag'], execArgv: [] });
    });

  longTest('and the interpreter that is named through it', async () => {
    const folder = temporaryFolder();
    const [older, newer] = [nodeBinaries().at(-2), nodeBinaries().at(-1)];
    if (!older || !newer) throw new Error('two versions of Node.js are needed');
    for (const [name, { path: node }] of [['one', older] as const, ['two', newer] as const])
      symlinkSync(node, path.join(release(folder, name), 'node'));
    point(folder, 'one');
    const deployed = await deployByShell(`exec current/node current/${ENTRY}`, { cwd: folder });
    point(folder, 'two');
    await restart(deployed);
    const { stdout } = spawnSync('readlink', [`/proc/${(await deployed.told()).pid}/exe`], {
      encoding: 'utf8',
    });
    expect(stdout.trim()).toBe(newer.path);
  });
});

describe('the directory of the start', () => {
  test('is used again after it was deleted and created again', async () => {
    const folder = temporaryFolder();
    const home = release(folder, 'home');
    const deployed = await deploy(ENTRY, { cwd: home });
    rmSync(home, { recursive: true });
    renameSync(release(folder, 'fresh'), home);
    expect(await restart(deployed)).toMatchObject({ release: 'fresh', cwd: home });
    expect(await restart(deployed)).toMatchObject({ release: 'fresh', cwd: home });
  });

  for (const { major, path: node } of testedNodes())
    rowTest(`is done without where it was deleted and the script is elsewhere (Node ${major})`, async () => {
      const folder = temporaryFolder();
      release(folder, 'app');
      const home = path.join(folder, 'home');
      mkdirSync(home);
      const deployed = await deploy(`../app/${ENTRY}`, { cwd: home, node });
      rmSync(home, { recursive: true });
      for (let restarts = 0; restarts < 2; restarts += 1)
        expect(await restart(deployed)).toMatchObject({ release: 'app' });
    });

  test('holds for a relative script after the program has changed it', async () => {
    const folder = temporaryFolder();
    const home = release(folder, 'home');
    const deployed = await deploy(ENTRY, { cwd: home, env: { CHDIR: '/' } });
    expect(await restart(deployed)).toMatchObject({ release: 'home', cwd: home });
    expect(await restart(deployed)).toMatchObject({ release: 'home', cwd: home });
  });
});

describe('`restart` says how the successor is started:', () => {
  test('`cwd`, with a relative script that stays where it is', async () => {
    const folder = temporaryFolder();
    const [home, other] = [release(folder, 'home'), release(folder, 'other')];
    const deployed = await deploy(ENTRY, { cwd: home, settings: { restart: { cwd: other } } });
    for (let restarts = 0; restarts < 2; restarts += 1)
      expect(await restart(deployed)).toMatchObject({ release: 'home', cwd: other, env: { PWD: other } });
  });

  test('`env`, laid over that of the start', async () => {
    const deployed = await deploy(path.join(release(temporaryFolder(), 'app'), ENTRY), {
      env: { KEPT: 'kept', CHANGED: 'old' },
      settings: { restart: { env: { CHANGED: 'new', ADDED: 'new' } } },
    });
    const { env } = await restart(deployed);
    expect(env).toMatchObject({ KEPT: 'kept', CHANGED: 'new', ADDED: 'new' });
    expect(Object.keys(env).filter((name) => /^(ENDLESS_HANDOFF|LISTEN_|NODE_CHANNEL)/.test(name))).toEqual(
      [],
    );
  });

  test('`args`', async () => {
    const folder = temporaryFolder();
    const other = path.join(release(folder, 'other'), ENTRY);
    const deployed = await deploy(path.join(release(folder, 'app'), ENTRY), {
      settings: { restart: { args: ['--no-warnings', other, 'given'] } },
    });
    expect(await restart(deployed)).toMatchObject({
      release: 'other',
      args: ['given'],
      execArgv: ['--no-warnings'],
    });
  });

  test('`command`, a script that becomes Node.js', async () => {
    const folder = temporaryFolder();
    const wrapper = path.join(folder, 'wrapper.sh');
    writeFileSync(wrapper, `#!/bin/sh\nWRAPPED=yes exec ${process.execPath} "$@"\n`);
    chmodSync(wrapper, 0o755);
    const deployed = await deploy(path.join(release(folder, 'app'), ENTRY), {
      settings: { restart: { command: wrapper } },
    });
    expect((await restart(deployed)).env).toMatchObject({ WRAPPED: 'yes' });
    expect((await restart(deployed)).generation).toBe(2);
  });
});

describe('what Node.js is told, its successor is told', () => {
  test('`--env-file`: the file is read again, and what the program has set itself does not go along', async () => {
    const folder = temporaryFolder();
    const home = release(folder, 'home');
    const file = path.join(home, '.env');
    writeFileSync(file, 'COLOUR=red\nGONE=soon\nSTRONG=file\n');
    writeFileSync(
      path.join(home, 'set.mjs'),
      "process.env.OWN ??= 'set by ' + process.pid;\nawait import('./server.mjs');\n",
    );
    const deployed = await deployByShell('exec node --env-file=.env set.mjs', {
      cwd: home,
      env: { STRONG: 'environment' },
    });
    expect((await deployed.told()).env).toMatchObject({ COLOUR: 'red', GONE: 'soon', STRONG: 'environment' });
    writeFileSync(file, 'COLOUR=blue\nSTRONG=file\n');
    const { env, pid } = await restart(deployed);
    expect(env).toMatchObject({ COLOUR: 'blue', STRONG: 'environment', OWN: `set by ${pid}` });
    expect(env).not.toHaveProperty('GONE');
  });

  test('`--import`, `--require`, a loader and NODE_OPTIONS', async () => {
    const folder = temporaryFolder();
    const home = release(folder, 'home');
    const files = {
      'import.mjs': "process.env.SEEN = (process.env.SEEN ?? '') + 'i';\n",
      'require.cjs': "process.env.SEEN = (process.env.SEEN ?? '') + 'r';\n",
      'hooks.mjs':
        'export const load = async (url, context, next) => url.endsWith(".special") ? { format: "module", source: "export default \'special\'", shortCircuit: true } : next(url, context);\n',
      'loader.mjs': "import { register } from 'node:module';\nregister('./hooks.mjs', import.meta.url);\n",
      'data.special': 'no JavaScript',
      'uses.mjs':
        "import special from './data.special';\nprocess.env.SPECIAL = special;\nawait import('./server.mjs');\n",
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(path.join(home, name), text);
    const deployed = await deployByShell(
      'exec node --require ./require.cjs --import ./loader.mjs --max-http-header-size=9000 uses.mjs',
      { cwd: home, env: { NODE_OPTIONS: '--import ./import.mjs' } },
    );
    const first = await deployed.told();
    expect(first.env).toMatchObject({ SEEN: 'ri', SPECIAL: 'special' });
    const second = await restart(deployed);
    expect(second.execArgv).toEqual(first.execArgv);
    expect(second.env).toMatchObject({ SEEN: 'ri', SPECIAL: 'special' });
  });

  for (const where of rowsOf(['arguments', 'NODE_OPTIONS'], (where) => where === 'arguments'))
    rowTest(
      `the inspector on a fixed port, by its ${where}: each successor has one, on a port of its own`,
      async () => {
        const home = release(temporaryFolder(), 'home');
        const option = `--inspect=127.0.0.1:${await freePort()}`;
        const deployed = await deploy(ENTRY, {
          cwd: home,
          ...(where === 'arguments' ? { execArgv: [option] } : { env: { NODE_OPTIONS: option } }),
        });
        for (let restarts = 0; restarts < 2; restarts += 1) await restart(deployed);
        const { stderr } = deployed.program;
        expect(stderr).not.toContain('address already in use');
        const ports = [...stderr.matchAll(/Debugger listening on ws:\/\/127\.0\.0\.1:(\d+)/g)].map(
          ([, port]) => port,
        );
        expect(new Set(ports).size).toBe(3);
      },
    );

  for (const title of rowsOf(['shop', 'node'], (title) => title === 'shop'))
    rowTest(
      `a title (${title}) that the program gives itself first, in the place of the command line, is not taken for that`,
      async () => {
        const home = release(temporaryFolder(), 'home');
        writeFileSync(
          path.join(home, 'titled.mjs'),
          `process.title = '${title}';\nawait import('./server.mjs');\n`,
        );
        const deployed = await deployByShell('exec node --no-warnings titled.mjs --flag', { cwd: home });
        for (let restarts = 0; restarts < 2; restarts += 1)
          expect(await restart(deployed)).toMatchObject({ args: ['--flag'], execArgv: ['--no-warnings'] });
      },
    );

  test('a script with a `#!` line', async () => {
    const folder = temporaryFolder();
    for (const name of ['one', 'two']) {
      const script = path.join(release(folder, name), ENTRY);
      const { stdout } = spawnSync('cat', [script], { encoding: 'utf8' });
      writeFileSync(script, `#!/usr/bin/env node\n${stdout}`);
      chmodSync(script, 0o755);
    }
    point(folder, 'one');
    const deployed = await deployByShell(`exec ./current/${ENTRY} --flag`, { cwd: folder });
    point(folder, 'two');
    expect(await restart(deployed)).toMatchObject({ release: 'two', args: ['--flag'] });
  });
});

describe('TypeScript', () => {
  const text = (name: string) =>
    `const name: string = '${name}';\nObject.assign(globalThis, { release: name });\nimport('${fixture('deployed.mjs')}');\n`;

  for (const { major, path: node } of testedNodes().filter(({ major }) => major >= 22))
    rowTest(`by Node ${major} itself`, async () => {
      const folder = temporaryFolder();
      const file = path.join(folder, 'server.ts');
      writeFileSync(file, text('one'));
      writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
      const deployed = await deploy('server.ts', { cwd: folder, node });
      writeFileSync(file, text('two'));
      expect(await restart(deployed)).toMatchObject({ release: 'two', execArgv: [] });
    });

  const ways = {
    'by `tsx server.ts`': [tsx],
    'by `node --import tsx server.ts`': ['--import', createRequire(import.meta.url).resolve('tsx')],
  };
  for (const [way, execArgv] of Object.entries(ways))
    longTest(way, async () => {
      const folder = temporaryFolder();
      const file = path.join(folder, 'server.ts');
      writeFileSync(file, text('one'));
      const deployed = await deploy('server.ts', { cwd: folder, execArgv });
      const { execArgv: before } = await deployed.told();
      writeFileSync(file, text('two'));
      expect(await restart(deployed)).toMatchObject({ release: 'two', execArgv: before });
      writeFileSync(file, text('three'));
      expect(await restart(deployed)).toMatchObject({ release: 'three', execArgv: before });
    });
});

describe('started by a package manager', () => {
  const pnpm = process.env.npm_execpath ?? '';
  const managers: Record<string, [available: boolean, line: string]> = {
    'npm start': [true, 'npm start --silent'],
    'pnpm start (needs pnpm, as `pnpm test` has it)': [/pnpm/.test(pnpm), `${quoted(pnpm)} --silent start`],
  };
  for (const [name, [available, line]] of Object.entries(managers))
    longTest.skipIf(!available)(`by ${name}, and SIGHUP to the process that the pid file names`, async () => {
      const folder = temporaryFolder();
      const home = release(folder, 'home');
      const manifest = { name: 'app', private: true, scripts: { start: `node ${ENTRY}` } };
      writeFileSync(path.join(home, 'package.json'), JSON.stringify(manifest));
      const pidFile = path.join(folder, 'app.pid');
      const deployed = await deployByShell(line, { cwd: home, settings: { pidFile } });
      for (let generation = 1; generation <= 2; generation += 1) {
        const { stdout } = spawnSync('cat', [pidFile], { encoding: 'utf8' });
        expect(Number(stdout)).toBe((await deployed.told()).pid);
        expect(await restart(deployed)).toMatchObject({ generation, release: 'home' });
      }
      deployed.program.signal('SIGTERM', (await deployed.told()).pid);
      await deployed.program.waitForPids(0);
    });

  function quoted(file: string): string {
    return /\.[cm]?js$/.test(file) ? `'${process.execPath}' '${file}'` : `'${file}'`;
  }
});

describe('what the generations write goes to one place', () => {
  longTest('a pipe', async () => {
    const deployed = await deploy(path.join(release(temporaryFolder(), 'app'), ENTRY));
    for (let restarts = 0; restarts < 3; restarts += 1) await restart(deployed);
    await deployed.program.waitForPids(1);
    expect(deployed.program.stdout.match(/listening \d+ \d/g)?.map((line) => line.at(-1))).toEqual([
      '0',
      '1',
      '2',
      '3',
    ]);
  });

  longTest('a file, opened to append or not: no line is written over', async () => {
    for (const redirection of ['>', '>>']) {
      const folder = temporaryFolder();
      release(folder, 'app');
      const port = await freePort();
      const program = startProgram(`exec node app/${ENTRY} ${redirection} out.log 2>&1`, {
        node: '/bin/sh',
        execArgv: ['-c'],
        cwd: folder,
        env: { PORT: String(port), SETTINGS: '{"rollbackWindow":100}' },
      });
      onTestFinished(() => program.stop());
      const log = () => spawnSync('cat', ['out.log'], { cwd: folder, encoding: 'utf8' }).stdout;
      for (let generation = 0; generation <= 3; generation += 1) {
        await until(() => new RegExp(`listening \\d+ ${generation}\n`).test(log()));
        if (generation === 3) break;
        await until(async () => (await getJson<Told>(port, '/')).generation === generation);
        program.signal('SIGHUP', (await getJson<Told>(port, '/')).pid);
      }
      await program.waitForPids(1);
      expect(
        log()
          .match(/listening \d+ \d/g)
          ?.map((line) => line.at(-1)),
      ).toEqual(['0', '1', '2', '3']);
      expect(log().match(/Serve\(\) returning\.\.\./g)).toHaveLength(3);
      expect(log()).not.toContain('\0');
      await get({ port });
    }
  });
});
