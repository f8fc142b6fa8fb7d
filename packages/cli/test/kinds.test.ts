import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, longTest, test } from '@endless/conformance';
import { get, nodeBinaries, startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { getJson, lines, type Run, run, temporaryFolder, until, workers } from './program.js';

const TOP = fileURLToPath(new URL('../../..', import.meta.url));
const fromCore = createRequire(path.join(TOP, 'packages/core/package.json'));

/** Writes the files of a program, and returns the path of the first. */
function programOf(files: Record<string, string>): string {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  return path.join(folder, Object.keys(files)[0] as string);
}

/** A program that answers with an expression. */
const answers = (expression: string, { types = '' } = {}) => `
  import http from 'node:http';
  const answer = ()${types} => String(${expression});
  http.createServer((request, response) => response.end(answer())).listen(Number(process.env.PORT), '127.0.0.1');
`;
const ready = /worker 0: pid \d+ is ready/;
const body = async ({ port }: Run) => (await get({ port })).body;
const restarted = async (served: Run) => expect(await served.command('restart')).toMatchObject({ code: 0 });

/** Kills the process of a worker, and waits until another serves. */
async function crash(served: Run, index = 0): Promise<void> {
  const before = workers(served)[index];
  await sleep(1_100);
  served.program.signal('SIGKILL', before);
  await until(() => workers(served)[index] !== before);
}

describe('a program', () => {
  test('of CommonJS that knows nothing of endless gets its `--env-file` as it is now, at each start', async () => {
    const server = `
      require('node:http')
        .createServer((request, response) => response.end(process.env.SECRET))
        .listen(Number(process.env.PORT), '127.0.0.1');
    `;
    const file = programOf({ 'server.cjs': server, '.env': 'SECRET=one' });
    const env = path.join(path.dirname(file), '.env');
    const served = await run('', { flags: ['--', 'node', `--env-file=${env}`], file, ready });
    expect(await body(served)).toBe('one');
    writeFileSync(env, 'SECRET=two');
    await restarted(served);
    expect(await body(served)).toBe('two');
  });

  const types = answers('1 as number', { types: ': string' });
  const stripping = nodeBinaries().filter(({ version }) => {
    const [major = 0, minor = 0] = version.split('.').map(Number);
    return major > 22 || (major === 22 && minor >= 18);
  });
  for (const { version, path: node } of stripping)
    longTest(`in TypeScript restarts by type stripping (Node.js ${version})`, async () => {
      const file = programOf({ 'server.mts': types });
      const served = await run('', { file, ready, node });
      expect(await body(served)).toBe('1');
      writeFileSync(file, types.replace('1 as', '2 as'));
      await restarted(served);
      expect(await body(served)).toBe('2');
    });

  longTest('in TypeScript restarts by `-- node --import tsx server.ts`', async () => {
    const file = programOf({ 'server.mts': types });
    const flags = ['--', 'node', '--import', fromCore.resolve('tsx')];
    const served = await run('', { flags, file, ready });
    expect(await body(served)).toBe('1');
    writeFileSync(file, types.replace('1 as', '2 as'));
    await restarted(served);
    expect(await body(served)).toBe('2');
  });

  for (const name of ['express', 'koa', 'fastify'])
    longTest(`on ${name}, with its adapter, restarts 2 workers under load and loses nothing`, async () => {
      const file = path.join(TOP, `packages/${name}/test/fixtures/conformance.mjs`);
      const served = await run('', {
        flags: ['--workers', '2'],
        file,
        ready: /\(2 of 2\)/,
        maxProcesses: 12,
      });
      const kept = startLoad({ port: served.port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
      const fresh = startLoad({
        port: served.port,
        connections: 2,
        mode: 'new-connection',
        thinkTime: () => 5,
      });
      await restarted(served);
      await restarted(served);
      expect(await kept.stop()).toMatchObject({ lost: [], opened: 10 });
      expect(await fresh.stop()).toMatchObject({ lost: [] });
    });

  for (const name of ['on-express.js', 'on-fastify.js'])
    longTest(`of Nest (${name}), unchanged, restarts 2 workers under load and loses nothing`, async () => {
      const file = path.join(TOP, 'examples/nest', name);
      const served = await run('', {
        flags: ['--workers', '2'],
        file,
        ready: /\(2 of 2\)/,
        maxProcesses: 12,
      });
      const load = startLoad({ port: served.port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
      await restarted(served);
      expect(await load.stop()).toMatchObject({ lost: [], opened: 10 });
    });

  test('that has another version of core below its adapter runs with that one', async () => {
    const file = programOf({
      'server.mjs': `
        import http from 'node:http';
        import { endless } from '@endless/express';
        const server = http.createServer((request, response) => response.end(JSON.stringify(endless.worker)));
        await endless.listen(server, '127.0.0.1:' + process.env.PORT);
      `,
    });
    const adapter = path.join(path.dirname(file), 'node_modules/@endless/express');
    const core = path.join(adapter, 'node_modules/@endless/core');
    for (const name of ['package.json', 'dist'])
      cpSync(path.join(TOP, 'packages/express', name), path.join(adapter, name), { recursive: true });
    for (const name of ['package.json', 'bundle'])
      cpSync(path.join(TOP, 'packages/core', name), path.join(core, name), { recursive: true });
    const bundle = path.join(core, 'bundle/core.js');
    const text = readFileSync(bundle, 'utf8');
    expect(text).toContain('const VERSION = "0.1.0"');
    writeFileSync(bundle, text.replaceAll('"0.1.0"', '"0.1.1"'));
    symlinkSync(path.join(TOP, 'packages/express/node_modules/express'), path.join(adapter, '../../express'));
    // pnpm's launcher sets it: packages would be found that are not there.
    const served = await run('', { file, ready, env: { NODE_PATH: undefined } });
    expect(await getJson(served.port, '/')).toEqual({ index: 0 });
  });

  longTest('on port 0 has one port for all workers, over a crash and a restart', async () => {
    const env = { KIND: 'port 0' };
    const served = await run('kinds.mjs', { flags: ['--workers', '2'], env, ready: /\(2 of 2\)/ });
    const [, port] = await served.program.waitFor(/on port (\d+)/);
    const indices = async () => {
      const seen = new Set<string>();
      for (let ask = 0; ask < 60; ask += 1)
        seen.add((await get({ port: Number(port) })).body.split(' ')[1] as string);
      return [...seen].sort();
    };
    expect(await indices()).toEqual(['0', '1']);
    await crash(served);
    expect(await indices()).toEqual(['0', '1']);
    await restarted(served);
    expect(await indices()).toEqual(['0', '1']);
    const all = [...served.program.stdout.matchAll(/on port (\d+)/g)].map(([, each]) => each);
    expect(new Set(all)).toEqual(new Set([port]));
  });

  longTest('that listens seconds after its start is waited for, at the start and in a restart', async () => {
    const served = await run('kinds.mjs', { env: { KIND: 'late' } });
    const load = startLoad({ port: served.port, connections: 4, mode: 'new-connection', thinkTime: () => 5 });
    await restarted(served);
    expect(await load.stop()).toMatchObject({ lost: [] });
    const [before] = workers(served);
    await crash(served, 0).catch(() => {});
    // The client waits in the queue until the next process listens.
    expect((await get({ port: served.port, timeout: 10_000 })).body).toMatch(/^late 0 /);
    await until(() => workers(served)[0] !== before);
  });

  longTest('whose worker 1 alone opens an address keeps it, and no other worker accepts there', async () => {
    const served = await run('kinds.mjs', {
      ...{ flags: ['--workers', '2'], env: { KIND: 'own address' } },
      ...{ ready: /\(2 of 2\)/, maxProcesses: 12 },
    });
    const own = served.port + 1;
    // The worker is ready by its first server.
    await until(() =>
      get({ port: own }).then(
        () => true,
        () => false,
      ),
    );
    const asked = async (times: number) => {
      const seen = new Set<string>();
      for (let ask = 0; ask < times; ask += 1) seen.add((await get({ port: own })).body.slice(0, 6));
      return [...seen];
    };
    expect(await asked(20)).toEqual(['own 1 ']);
    const load = startLoad({ port: own, connections: 4, mode: 'new-connection', thinkTime: () => 5 });
    await restarted(served);
    expect(await load.stop()).toMatchObject({ lost: [] });
    await crash(served, 1);
    expect(await asked(20)).toEqual(['own 1 ']);
    const { addresses } = JSON.parse((await served.command('status', '--json')).output);
    expect(addresses).toHaveLength(2);
  });

  longTest(
    'that restarts by `endless.restart()` gets the reason if that fails, and nothing has changed',
    async () => {
      const served = await run('endless.mjs', { flags: ['--workers', '2'], ready: /\(2 of 2\)/ });
      const before = workers(served);
      served.fault('throw');
      const result = await getJson<{ code: string; message: string }>(served.port, '/restart');
      expect(result.code).toBe('ERR_ENDLESS_SUPERVISED');
      expect(result.message).toMatch(/^worker 0: .*exited with status 1 before it was ready/);
      expect(workers(served)).toEqual(before);
      await lines(served, /restart: failed/, 1);
    },
  );
});
