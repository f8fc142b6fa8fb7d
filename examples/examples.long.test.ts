import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { hup, serve, until } from '../conformance/dist/index.js';
import { freePort, type LoadOptions, startLoad } from '../testkit/dist/index.js';

const HERE = import.meta.dirname;
const TOP = path.dirname(HERE);

/** A program that its first comment line tells how to start. */
interface Example {
  name: string;
  command: string;
  cwd: string;
  /** What follows `node`, the program last. */
  args: string[];
}

const examples: Example[] = readdirSync(HERE, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .flatMap(({ name: folder }) =>
    readdirSync(path.join(HERE, folder))
      .filter((file) => file.endsWith('.js'))
      .map((file) => path.join(folder, file)),
  )
  .flatMap((name) => {
    const [first = ''] = readFileSync(path.join(HERE, name), 'utf8').split('\n');
    const match = /^\/\/ ((?:cd (\S+) && )?node (.+))$/.exec(first);
    if (!match) return [];
    const [, command = '', folder = '', args = ''] = match;
    return [{ name, command, cwd: path.join(TOP, folder), args: args.split(' ') }];
  });

/** What speaks TLS: its own port, or a second one. */
const SERVERS: Record<string, { plain: boolean; tls: boolean }> = {
  'several-servers/server.js': { plain: true, tls: true },
  'tls/server.js': { plain: false, tls: true },
};

const ca = readFileSync(path.join(HERE, 'tls/cert.pem'));

test('there is an example for each way to use endless', () => {
  expect(examples.map(({ name }) => name)).toEqual([
    'chat/server.js',
    'docker/server.js',
    'express/server.js',
    'fastify/server.js',
    'haproxy/server.js',
    'http/server.js',
    'koa/server.js',
    'nest/on-express.js',
    'nest/on-fastify.js',
    'prometheus/server.js',
    'several-servers/server.js',
    'sse/server.js',
    'tls/server.js',
    'worker/server.js',
  ]);
});

for (const { name, command, cwd, args } of examples)
  test(`${command}: three restarts under load lose no request`, async () => {
    const { plain, tls } = SERVERS[name] ?? { plain: true, tls: false };
    const second = await freePort();
    const { program, port } = await serve(
      args.at(-1) ?? '',
      {},
      {
        cwd,
        execArgv: args.slice(0, -1),
        // With NODE_PATH, as pnpm's own launcher sets it, packages would also be found that are not there.
        env: { TLS_PORT: String(second), NODE_PATH: undefined },
        ready:
          plain && tls ? new RegExp(`serving on .*:${second}, generation 0`) : /serving on .*, generation 0/,
      },
    );
    const asking: Omit<LoadOptions, 'connections'> = {
      mode: 'keep-alive',
      // Each restart waits for the end of a rollback window: clients that pause leave the cores to other tests.
      thinkTime: () => 5,
      label: ({ body }) => /pid (\d+)/.exec(body.toString())?.[1] ?? 'nobody',
    };
    const loads = [
      ...(plain ? [startLoad({ ...asking, port, connections: 8 })] : []),
      ...(tls
        ? [
            startLoad({
              ...asking,
              port: plain ? second : port,
              connections: 4,
              tls: { ca, servername: 'localhost' },
            }),
          ]
        : []),
    ];
    onTestFinished(() => void loads.map((load) => load.stop()));

    const pids = [program.pid];
    for (let restart = 0; restart < 3; restart += 1) {
      await until(() => loads.every(({ answers }) => answers.has(String(pids.at(-1)))));
      pids.push(await hup(program, pids.at(-1)));
    }
    await until(() => loads.every(({ answers }) => answers.has(String(pids.at(-1)))));
    for (const load of loads) {
      const { lost, answers } = await load.stop();
      expect(lost).toEqual([]);
      expect([...answers.keys()]).toEqual(pids.map(String));
    }

    await program.waitForPids(1);
    program.signal('SIGTERM', pids.at(-1));
    await program.waitForPids(0);
  });

test('the README says what to type for each', () => {
  const readme = readFileSync(path.join(HERE, 'README.md'), 'utf8');
  for (const { command } of examples) expect(readme).toContain(`\`${command}\``);
});

test('no example needs a cast: they type-check as they stand', async () => {
  const tsc = path.join(TOP, 'node_modules/typescript/bin/tsc');
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', HERE], {
    timeout: 25_000,
  }).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
});
