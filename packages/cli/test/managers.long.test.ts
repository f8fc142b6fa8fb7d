import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { freePort, get, type Program, startLoad, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { blocksOf, read } from '../../../test/markdown.js';
import { BIN, fixture, temporaryFolder, until } from './program.js';

const [, section = ''] = read('docs/deploying.md').split(/^## supervisord, runit, s6, OpenRC$/m);
const [supervisord = '', runScript = ''] = blocksOf(section).map(({ text }) => text);
const has = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
const call = promisify(execFile);

/** A file that can be run. */
function executable(file: string, text: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, 0o755);
}

/** One of the managers, with the recipe of docs/deploying.md. */
interface Manager {
  /** Writes its files into the folder, and returns the command that starts it. */
  start(folder: string): [string, ...string[]];
  /** The commands of the recipe. */
  restart: (folder: string) => [string, ...string[]];
  stop: (folder: string) => [string, ...string[]];
}

const service = (folder: string) => path.join(folder, 'app');
const configuration = (folder: string) => path.join(folder, 'supervisord.conf');
const supervisorctl = (folder: string, ...words: string[]): [string, ...string[]] => [
  'supervisorctl',
  '-c',
  configuration(folder),
  ...words,
];

/** A manager that runs `app/run`. */
function ofRunScript(supervise: string, control: string, restart: string, stop: string): Manager {
  return {
    start(folder) {
      executable(path.join(service(folder), 'run'), runScript.replaceAll('/srv/app', folder));
      return [supervise, service(folder)];
    },
    restart: (folder) => [control, restart, service(folder)],
    stop: (folder) => [control, stop, service(folder)],
  };
}

const managers: Record<string, Manager> = {
  supervisord: {
    start(folder) {
      const own = [
        `[supervisord]\nnodaemon=true\nlogfile=${folder}/log\npidfile=${folder}/pid\nchildlogdir=${folder}`,
        `[unix_http_server]\nfile=${folder}/supervisor.sock`,
        `[supervisorctl]\nserverurl=unix://${folder}/supervisor.sock`,
        '[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface',
      ].join('\n');
      writeFileSync(configuration(folder), `${own}\n${supervisord.replaceAll('/srv/app', folder)}`);
      return ['supervisord', '-c', configuration(folder)];
    },
    restart: (folder) => supervisorctl(folder, 'signal', 'HUP', 'app'),
    stop: (folder) => supervisorctl(folder, 'stop', 'app'),
  },
  runsv: ofRunScript('runsv', 'sv', 'hup', 'down'),
  's6-supervise': ofRunScript('s6-supervise', 's6-svc', '-h', '-d'),
  supervise: ofRunScript('supervise', 'svc', '-h', '-d'),
};

interface Started {
  program: Program;
  port: number;
  folder: string;
  /** The supervisor and its workers. */
  status(): Promise<{ pid: number; worker: { pid: number }[] }>;
}

/** Starts the recipe of a manager, and waits until both workers are ready. */
async function start({ start }: Manager): Promise<Started> {
  const [folder, port] = [temporaryFolder(), await freePort()];
  executable(
    path.join(folder, 'node_modules/.bin/endless'),
    `#!/bin/sh\nexec ${process.execPath} ${BIN} "$@"\n`,
  );
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(path.join(folder, 'server.js'), `import '${fixture('endless.mjs')}';\n`);
  const [node, ...execArgv] = start(folder);
  const program = startProgram(execArgv.pop() as string, {
    node,
    execArgv,
    cwd: folder,
    env: {
      PORT: String(port),
      HOME: folder,
      TMPDIR: folder,
      SETTINGS: JSON.stringify({ rollbackWindow: 100, idleGrace: 100 }),
    },
    maxProcesses: 12,
  });
  onTestFinished(() => program.stop());
  const status = async () => {
    const env = { ...process.env, TMPDIR: folder, PWD: folder };
    const { stdout } = await call(process.execPath, [BIN, 'status', '--json'], { cwd: folder, env });
    return JSON.parse(stdout) as Awaited<ReturnType<Started['status']>>;
  };
  // Its exit code is 0 once all workers are ready.
  await until(
    () =>
      status().then(
        () => true,
        () => false,
      ),
    15_000,
  );
  return { program, port, folder, status };
}

describe('the recipe of docs/deploying.md for', () => {
  for (const [name, manager] of Object.entries(managers))
    test.skipIf(!has(name))(
      `${name}: a restart loses nothing, a crash refuses no connection, a stop drains (needs it)`,
      async () => {
        const { program, port, folder, status } = await start(manager);
        const { pid } = await status();
        const load = startLoad({ port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
        await until(() => load.answered > 0);
        const [restart, ...words] = manager.restart(folder);
        await call(restart, words);
        await until(
          async () => (await status().catch(() => undefined))?.worker.length === 2 && load.answers.has('1'),
          15_000,
        );
        expect(await load.stop()).toMatchObject({ lost: [], opened: 10 });
        const after = await status();
        expect(after.pid).toBe(pid);

        for (const worker of after.worker) program.signal('SIGKILL', worker.pid);
        expect((await get({ port, timeout: 10_000 })).status).toBe(200);
        expect((await status().catch(() => ({ pid }))).pid).toBe(pid);

        const slow = get({ port, path: '/slow' });
        await new Promise((resolve) => setTimeout(resolve, 300));
        const [stop, ...stopWords] = manager.stop(folder);
        await call(stop, stopWords);
        expect((await slow).body).toBe('slow');
        // What is left is the manager.
        await program.waitForPids(1);
        await expect(get({ port })).rejects.toThrow('ECONNREFUSED');
      },
    );
});
