import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { freePort, get, type Program, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, temporaryFolder, until } from './program.js';

interface Watched {
  program: Program;
  folder: string;
  log(): string;
  pid(): Promise<number>;
}

/** A file that can be run. */
function executable(file: string, text: string): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, 0o755);
  return file;
}

const line = `${process.execPath} ${fixture('watched.mjs')}`;

/** Starts the watcher that `command` names, and waits until the program that it has started serves. */
async function start(
  command: (folder: string) => [file: string, ...args: string[]],
  env: Record<string, string> = {},
): Promise<Watched> {
  const [folder, port] = [temporaryFolder(), await freePort()];
  const [node, ...execArgv] = command(folder);
  const LOG = path.join(folder, 'app.log');
  writeFileSync(LOG, '');
  const program = startProgram(execArgv.pop() as string, {
    node,
    execArgv,
    cwd: folder,
    env: { PORT: String(port), LOG, HOME: folder, ...env },
    maxProcesses: 12,
  });
  onTestFinished(() => program.stop());
  const log = () => readFileSync(LOG, 'utf8');
  await until(() => log().includes('listening 0'), 10_000);
  return { program, folder, log, pid: async () => Number((await get({ port })).body) };
}

/** Sends a SIGHUP, and expects that the restart is refused with the name of the watcher and that nothing is started. */
async function expectRefusal({ program, log, pid }: Watched, name: string): Promise<void> {
  const [before, processes] = [await pid(), program.pids()];
  program.signal('SIGHUP', before);
  await until(() => log().includes('watches the process that it has started'), 3_000);
  expect(log()).toContain(`${before} ${name}`);
  expect(log()).toContain('endless run');
  await sleep(300);
  expect(program.pids().sort()).toEqual(processes.sort());
  expect(log()).not.toContain('EADDRINUSE');
  expect(await pid()).toBe(before);
}

/** Sends a SIGHUP, and expects a restart. */
async function expectRestart({ program, pid }: Watched): Promise<void> {
  const before = await pid();
  program.signal('SIGHUP', before);
  await until(async () => (await pid()) !== before);
}

const has = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
const configuration = (folder: string, command: string) =>
  [
    '[supervisord]',
    'nodaemon=true',
    `logfile=${folder}/supervisord.log`,
    `pidfile=${folder}/supervisord.pid`,
    '[program:app]',
    `command=${command}`,
    'autorestart=true',
    'startsecs=0',
    '',
  ].join('\n');

/** Watchers as Debian has them: the path of each, and its configuration for a program. */
const real: Record<string, (folder: string, command: string) => [string, ...string[]]> = {
  supervisord(folder, command) {
    writeFileSync(path.join(folder, 'supervisord.conf'), configuration(folder, command));
    return ['supervisord', '-n', '-c', path.join(folder, 'supervisord.conf')];
  },
  runsv(folder, command) {
    executable(path.join(folder, 'service/run'), `#!/bin/sh\n${command}\n`);
    return ['runsv', path.join(folder, 'service')];
  },
  supervise(folder, command) {
    executable(path.join(folder, 'service/run'), `#!/bin/sh\n${command}\n`);
    return ['supervise', path.join(folder, 'service')];
  },
  's6-supervise'(folder, command) {
    executable(path.join(folder, 'service/run'), `#!/bin/sh\n${command}\n`);
    return ['s6-supervise', path.join(folder, 'service')];
  },
};

/** Those that are scripts themselves. */
const scripts: Record<string, string> = {
  circusd: `#!/usr/bin/python3\nimport subprocess, sys\nwhile True: subprocess.call(sys.argv[1:])\n`,
  'node_modules/forever/bin/monitor': `#!/usr/bin/env node\nconst { spawn } = require('node:child_process');\nconst start = () => spawn(process.argv[2], process.argv.slice(3), { stdio: 'inherit' }).on('exit', start);\nstart();\n`,
};

describe('a restart is refused, with the name of what watches the process, under', () => {
  for (const [name, command] of Object.entries(real)) {
    const known = has(name);
    longTest.skipIf(!known)(`${name} (needs it)`, async () => {
      const watched = await start((folder) =>
        command(folder, `exec ${line}`.replace(/^exec /, name === 'supervisord' ? '' : 'exec ')),
      );
      await expectRefusal(watched, name);
    });
  }

  longTest.skipIf(!has('runsv'))('runsv with a shell and npm in between (needs it)', async () => {
    const watched = await start((folder) => {
      const manifest = { name: 'app', private: true, scripts: { start: line } };
      writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
      executable(path.join(folder, 'service/run'), `#!/bin/sh\ncd ..\nnpm start --silent\necho ended\n`);
      return ['runsv', path.join(folder, 'service')];
    });
    await expectRefusal(watched, 'runsv');
  });

  for (const [name, text] of Object.entries(scripts))
    test(`${name}, a script`, async () => {
      const watched = await start(
        (folder) => [executable(path.join(folder, name), text), ...line.split(' ')] as [string],
      );
      await expectRefusal(watched, name.includes('forever') ? 'forever' : name);
    });

  test('Monit, unless `pidFile` is set', async () => {
    const env = { MONIT_SERVICE: 'app' };
    await expectRefusal(await start(() => ['sh', '-c', `exec ${line}`], env), 'Monit (service app)');
    await expectRestart(
      await start(() => ['sh', '-c', `exec ${line}`], { ...env, SETTINGS: '{"pidFile":"app.pid"}' }),
    );
  });

  test('systemd, of whose service it is the main process, if systemd cannot learn of another one', async () => {
    const env = { INVOCATION_ID: '0'.repeat(32) };
    const own = 'SYSTEMD_EXEC_PID=$$ exec';
    await expectRefusal(await start(() => ['sh', '-c', `${own} ${line}`], env), 'systemd (');
    // The process that systemd has started is a shell that waits.
    await expectRefusal(
      await start(() => ['sh', '-c', `export SYSTEMD_EXEC_PID=$$; ${line}; true`], env),
      'systemd (',
    );
  });
});

describe('a restart is not refused', () => {
  test('under a watcher with `allowOrphaning`', async () => {
    const text = scripts.circusd as string;
    const watched = await start(
      (folder) =>
        [executable(path.join(folder, 'circusd'), text.replace('while True: ', '')), ...line.split(' ')] as [
          string,
        ],
      { SETTINGS: '{"allowOrphaning":true}' },
    );
    await expectRestart(watched);
  });

  test('below a watcher that watches something else, such as an agent that runs jobs', async () => {
    const agent = `#!/usr/bin/env node\nrequire('node:child_process').spawn('sh', ['-c', process.argv[2]], { stdio: 'inherit' });\n`;
    const watched = await start(
      (folder) => {
        executable(path.join(folder, 'agent'), agent);
        return [
          executable(path.join(folder, 'circusd'), scripts.circusd as string),
          path.join(folder, 'agent'),
          `${line}; true`,
        ];
      },
      { SUPERVISOR_ENABLED: '1', SUPERVISOR_PROCESS_NAME: 'agent' },
    );
    await expectRestart(watched);
  });

  test('in a shell of a session that a service of systemd has opened', async () => {
    const env = { INVOCATION_ID: '0'.repeat(32), SYSTEMD_EXEC_PID: '1' };
    await expectRestart(await start(() => ['sh', '-c', `${line}; true`], env));
  });
});
