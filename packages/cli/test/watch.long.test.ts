import { renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { get, nodeBinaries, startLoad, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { chat, connect, lossesOf } from '../../ws/test/program.js';
import { BIN, temporaryFolder, until, workers } from './program.js';
import { version, watched } from './watched.js';

const ECHO = fileURLToPath(new URL('../../ws/test/fixtures/echo.mjs', import.meta.url));
const TSX = pathToFileURL(
  createRequire(new URL('../../core/package.json', import.meta.url)).resolve('tsx'),
).href;

/** Ways in which a save can be broken. */
const BROKEN = [
  'this is no program',
  'throw new Error("broken");',
  'import "./missing.mjs";',
  'setTimeout(() => process.exit(3), 100);',
];

test('100 edits under load, a third of them broken: nothing is lost, and the last good version serves', async () => {
  const served = await watched({ 'server.mjs': version('0') }, { maxProcesses: 12 });
  const { port, program, write, restarted, answer } = served;
  const loads = [
    startLoad({ port, connections: 8, mode: 'keep-alive', thinkTime: () => 5 }),
    startLoad({ port, connections: 3, mode: 'new-connection', thinkTime: () => 5 }),
  ];
  let good = '0';
  for (let edit = 1; edit <= 100; edit += 1) {
    if (edit % 3 === 0) {
      const broken = BROKEN[edit % BROKEN.length] as string;
      expect(await restarted(() => write('server.mjs', broken))).toContain('serves on');
    } else {
      good = String(edit);
      expect(await restarted(() => write('server.mjs', version(good)))).toContain('serves after');
    }
    expect(await answer()).toBe(good);
  }
  const reports = await Promise.all(loads.map((load) => load.stop()));
  expect(reports.map(({ lost }) => lost)).toEqual([[], []]);
  expect(reports[0]).toMatchObject({ opened: 8, idleClosed: 0, toldToClose: 0 });
  await program.waitForPids(2);
  program.signal('SIGINT');
  expect(await program.exited).toEqual({ code: 0, signal: null });
  await program.waitForPids(0);
});

test('edits that do not wait for each other: the last one serves, and nothing is lost', async () => {
  const { port, program, write, answer } = await watched(
    { 'server.mjs': version('0') },
    { maxProcesses: 12 },
  );
  const load = startLoad({ port, connections: 6, mode: 'keep-alive', thinkTime: () => 5 });
  for (let edit = 1; edit <= 40; edit += 1) {
    write('server.mjs', version(String(edit)));
    await sleep(Math.random() * 700);
  }
  await until(async () => (await answer()) === '40');
  expect((await load.stop()).lost).toEqual([]);
  await program.waitForPids(2);
});

test('Ctrl-C at any moment leaves no process', async () => {
  for (let run = 0; run < 15; run += 1) {
    const source = temporaryFolder();
    const file = path.join(source, 'server.mjs');
    writeFileSync(file, version('one'));
    const program = startProgram(BIN, {
      args: ['run', '--watch', '--control', 'none', file],
      env: { PORT: '0' },
    });
    onTestFinished(() => program.stop());
    await sleep(Math.random() * 1_200);
    writeFileSync(file, run % 3 === 0 ? 'for (;;);' : version('two'));
    await sleep(Math.random() * 1_200);
    if (program.pids().includes(program.pid)) program.signal('SIGINT');
    await program.exited;
    await program.waitForPids(0, 6_000);
  }
});

test('a WebSocket survives a save', async () => {
  const load = (comment: string) => `// ${comment}\nawait import(${JSON.stringify(ECHO)});`;
  const { port, program, write, restarted } = await watched(
    { 'server.mjs': load('one') },
    { ready: /ready/ },
  );
  const clients = await connect(port, 20);
  const hush = chat(clients);
  for (const comment of ['two', 'three'])
    expect(await restarted(() => write('server.mjs', load(comment)))).toMatch(/ 20 connections moved/);
  hush();
  expect(await lossesOf(clients)).toEqual([]);
  await program.waitForPids(2);
});

describe('a change', () => {
  test('of many files is one restart, also in a folder that a build removes first', async () => {
    const { source, program, write, restarted, answer } = await watched({ 'server.mjs': version('one') });
    const build = async () => {
      rmSync(source, { recursive: true });
      await sleep(400);
      for (let file = 0; file < 60; file += 1) {
        write(`lib/${file}.mjs`, '');
        await sleep(5);
      }
      write('server.mjs', `import "./lib/59.mjs";${version('two')}`);
    };
    expect(await restarted(build)).toMatch(/ and 60 others changed: pid \d+ serves after/);
    expect(await answer()).toBe('two');
    // The folder is watched again, and so is the one in it.
    await restarted(() => write('lib/59.mjs', '// again'));
    await sleep(500);
    expect(program.stderr.match(/ changed: /g)).toHaveLength(2);
  });

  test('by an editor that renames its draft, in a new folder, of the environment file', async () => {
    const served = await watched(
      { 'server.mjs': version('one'), '.env': 'A=1' },
      { flags: ['--watch', '--', process.execPath, '--env-file=.env'] },
    );
    const { source, write, restarted, answer } = served;
    const rename = () => {
      write('server.mjs~', version('two'));
      renameSync(path.join(source, 'server.mjs~'), path.join(source, 'server.mjs'));
    };
    expect(await restarted(rename)).toContain('watch: server.mjs changed: ');
    expect(await answer()).toBe('two');
    expect(await restarted(() => write('new/part.mjs', ''))).toContain('watch: new/part.mjs changed: ');
    expect(await restarted(() => write('.env', 'A=2'))).toContain('watch: .env changed: ');
  });

  test('of other files, of dependencies and of tools starts nothing', async () => {
    const { program, write } = await watched({
      'server.mjs': version('one'),
      'node_modules/part/index.js': '',
      '.tool/state.json': '',
    });
    for (let time = 0; time < 10; time += 1) {
      write('app.log', String(time));
      write('data.db', String(time));
      write('node_modules/part/index.js', String(time));
      write('.tool/state.json', String(time));
      await sleep(100);
    }
    await sleep(500);
    expect(program.stderr).not.toContain('changed');
  });

  test('is seen without events by `--watch-poll`, and in the paths of `--watch` only', async () => {
    const served = await watched(
      { 'server.mjs': version('one'), 'views/page.html': 'one' },
      { flags: ['--watch=views', '--watch-poll'] },
    );
    const { source, program, write, restarted } = served;
    write('server.mjs', version('two'));
    const restart = () => {
      write('views/page.html', 'two');
      utimesSync(path.join(source, 'views/page.html'), 1, 1);
    };
    expect(await restarted(restart)).toContain('watch: views/page.html changed: ');
    expect(program.stderr.match(/ changed: /g)).toHaveLength(1);
  });
});

describe('a program', () => {
  test('whose start hangs is replaced by the next save', async () => {
    const { program, write, restarted, answer } = await watched({ 'server.mjs': version('one') });
    write('server.mjs', 'console.log("hanging"); setInterval(() => {}, 1_000);');
    await program.waitFor('hanging');
    expect(await restarted(() => write('server.mjs', version('two')))).toContain('serves after');
    expect(await answer()).toBe('two');
    await program.waitForPids(2);
  });

  test('that blocks its event loop is killed by the next save', async () => {
    const { port, write, restarted, answer } = await watched({
      'server.mjs': version('one').replace(
        'response.end',
        'if (request.url === "/block") for (;;); response.end',
      ),
    });
    void get({ port, path: '/block' }).catch(() => {});
    await sleep(200);
    const line = await restarted(() => write('server.mjs', version('two')));
    expect(line).toContain('serves after');
    expect(await answer()).toBe('two');
  });

  test('that crashes stays down until the next save, and clients wait for that', async () => {
    const served = await watched({ 'server.mjs': version('one') });
    const { port, program, write, restarted } = served;
    const status = async () => JSON.parse((await served.command('status', '--json')).output);
    await until(async () => (await status()).addresses.length === 1);
    await restarted(() => program.signal('SIGKILL', workers(served)[0]));
    await program.waitForPids(1);
    const waiting = get({ port });
    await sleep(300);
    write('server.mjs', version('two'));
    expect((await waiting).body).toBe('two');
  });

  test('in TypeScript is restarted with tsx', async () => {
    const typed = (name: string) => `const version: string = '${name}';${version(name)}`;
    const { write, restarted, answer } = await watched(
      { 'server.ts': typed('one') },
      { flags: ['--watch', '--', process.execPath, '--import', TSX] },
    );
    expect(await restarted(() => write('server.ts', typed('two')))).toContain('serves after');
    expect(await answer()).toBe('two');
  });

  const strips = nodeBinaries().find(({ major }) => major >= 24);
  test('in TypeScript is restarted by Node.js that strips types', async () => {
    const typed = (name: string) => `const version: string = '${name}';${version(name)}`;
    const { write, restarted, answer } = await watched(
      { 'server.ts': typed('one') },
      strips && { node: strips.path },
    );
    expect(await restarted(() => write('server.ts', typed('two')))).toContain('serves after');
    expect(await answer()).toBe('two');
  });
});

test('in a terminal Enter restarts and Ctrl-C ends everything; a closed terminal does too', async () => {
  for (const end of ['\x03', 'close']) {
    const source = temporaryFolder();
    const file = path.join(source, 'server.mjs');
    writeFileSync(file, version('one'));
    const terminal = startProgram(`${process.execPath} ${BIN} run --watch --control none ${file}`, {
      node: 'script',
      execArgv: ['--quiet', '--flush', '--return', '--command'],
      args: ['/dev/null'],
      stdin: 'pipe',
      env: { PORT: '0' },
    });
    onTestFinished(() => terminal.stop());
    await terminal.waitFor('is ready');
    terminal.child.stdin?.write('\n');
    await terminal.waitFor(/watch: Enter: pid \d+ serves after/);
    if (end === 'close') terminal.signal('SIGKILL');
    else terminal.child.stdin?.write(end);
    await terminal.waitForPids(0);
  }
});
