import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { freePort, type GetResponse, get, type Load, type Program, startLoad } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, getJson, hup, newestPid, type Served, serve, temporaryFolder, until } from './program.js';

/** One step of `fixtures/plan.mjs`. */
type Step = Record<string, unknown>;

interface Planned extends Served {
  /** Puts other code in the place of this one, for the next restart to find. */
  change(...steps: Step[]): void;
}

interface Outcome {
  pid: number;
  generation: number;
  durationMs: number;
  code: string;
  message: string;
}

const HOST = '127.0.0.1';

async function plan(steps: Step[], settings: object = {}): Promise<Planned> {
  const planFile = path.join(temporaryFolder(), 'plan.json');
  const change = (...next: Step[]) => writeFileSync(planFile, JSON.stringify(next));
  change(...steps);
  const served = await serve('plan.mjs', settings, { env: { PLAN_FILE: planFile } });
  return { ...served, change };
}

/** A little load, under way when this resolves, whose answers must all come from the server of this name. */
async function littleLoad(
  name: string,
  where: { port?: number; host?: string; path?: string },
): Promise<Load> {
  const load = startLoad({
    ...where,
    connections: 4,
    mode: 'keep-alive',
    thinkTime: () => 2,
    check: ({ headers }) => (headers['x-name'] === name ? undefined : `answered by ${headers['x-name']}`),
  });
  onTestFinished(() => void load.stop());
  await until(() => load.answered > 0);
  return load;
}

/** Ends a load that must have lost nothing and have been answered by exactly these generations. */
async function expectNothingLost(load: Load, ...generations: number[]): Promise<void> {
  const newest = String(generations.at(-1));
  await until(() => load.answers.has(newest));
  const { lost, answers } = await load.stop();
  expect(lost).toEqual([]);
  expect([...answers.keys()].sort()).toEqual(generations.map(String));
}

const restart = (port: number, host = HOST) =>
  get({ port, host, path: '/restart', timeout: 20_000 }).then(({ body }) => JSON.parse(body) as Outcome);

/** How a connection attempt ends: `'open'`, or the error code. */
function connecting(port: number, host = HOST): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host });
    socket.once('connect', () => resolve('open')).once('error', (error) => resolve(codeOf(error)));
    socket.once('connect', () => socket.destroy());
  });
}

const codeOf = (error: Error) => (error as NodeJS.ErrnoException).code ?? error.message;

describe('several servers in one program', () => {
  test('are matched by address, though the successor listens in the opposite order', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const listenOne = { listen: { name: 'one', port: one, host: HOST } };
    const listenTwo = { listen: { name: 'two', port: two, host: HOST } };
    const { program, change } = await plan([listenOne, listenTwo]);
    const loads = [await littleLoad('one', { port: one }), await littleLoad('two', { port: two })];
    change(listenTwo, listenOne);
    const second = await hup(program);
    change(listenOne, listenTwo);
    await hup(program, second);
    for (const load of loads) await expectNothingLost(load, 0, 1, 2);
    expect(program.stdout).not.toContain('early connection');
  });

  longTest('lose nothing when the second comes up 1.5 s later in the successor', async () => {
    const [one, two] = [await freePort(), await freePort()];
    const listenOne = { listen: { name: 'one', port: one } };
    const listenTwo = { listen: { name: 'two', port: two } };
    const { program, change } = await plan([listenOne, listenTwo]);
    const loads = [await littleLoad('one', { port: one }), await littleLoad('two', { port: two })];
    change(listenOne, { say: 'connecting to the database' }, { wait: 1_500 }, listenTwo);
    const restarted = restart(one);
    await program.waitFor('connecting to the database');
    expect((await get({ port: one })).body).toBe('one 0');
    const { generation, durationMs } = await restarted;
    expect(generation).toBe(1);
    expect(durationMs).toBeGreaterThanOrEqual(1_500);
    expect((await get({ port: one })).body).toBe('one 1');
    expect((await get({ port: two })).body).toBe('two 1');
    for (const load of loads) await expectNothingLost(load, 0, 1);
    expect(program.stdout).not.toContain('early connection');
  });

  longTest('on one port, `::` with ipv6Only and 0.0.0.0, keep each its own family', async () => {
    const port = await freePort();
    const six = { listen: { name: 'six', port, host: '::', ipv6Only: true } };
    const four = { listen: { name: 'four', port, host: '0.0.0.0' } };
    const { program, change } = await plan([six, four]);
    const loads = [await littleLoad('four', { port }), await littleLoad('six', { port, host: '::1' })];
    change(four, six);
    await hup(program);
    for (const load of loads) await expectNothingLost(load, 0, 1);
  });
});

describe('new code that listens elsewhere', () => {
  test('has a port that it adds served, from `go` on', async () => {
    const [old, added] = [await freePort(), await freePort()];
    const goFile = path.join(temporaryFolder(), 'go');
    const listenOld = { listen: { name: 'old', port: old } };
    const { program, change } = await plan([listenOld]);
    const load = await littleLoad('old', { port: old });
    change(
      { beforeBegin: true },
      { listen: { name: 'added', port: added } },
      { say: 'waiting for' },
      { waitForFile: goFile },
      listenOld,
    );
    const restarted = restart(old);
    await program.waitFor('waiting for');
    const early = await get({ port: added, timeout: 500 }).then(
      ({ body }) => body,
      () => 'no answer',
    );
    expect((await get({ port: old })).body).toBe('old 0');
    writeFileSync(goFile, '');
    expect((await restarted).generation).toBe(1);
    expect((await get({ port: added })).body).toBe('added 1');
    await expectNothingLost(load, 0, 1);
    expect(program.stdout).toContain(`before begin ":${added}"`);
    // A client that connects before `go` is not accepted.
    expect(early).toBe('no answer');
    expect(program.stdout).not.toContain('early connection');
  });

  longTest('has a port that it drops refused, and the warning names it', async () => {
    const [kept, dropped] = [await freePort(), await freePort()];
    const listenKept = { listen: { name: 'kept', port: kept } };
    const { program, change } = await plan([listenKept, { listen: { name: 'dropped', port: dropped } }], {
      startTimeout: 2_000,
    });
    const load = await littleLoad('kept', { port: kept });
    change(listenKept);
    const { generation, durationMs } = await restart(kept);
    expect(generation).toBe(1);
    expect(durationMs).toBeGreaterThanOrEqual(2_000);
    expect(durationMs).toBeLessThan(3_000);
    await until(async () => (await connecting(dropped)) === 'ECONNREFUSED');
    await program.waitForPids(1);
    expect(await connecting(dropped)).toBe('ECONNREFUSED');
    expect(warnings(program)).toEqual([expect.stringMatching(new RegExp(`:${dropped} closes after`))]);
    await expectNothingLost(load, 0, 1);
  });

  test('drops a port at once when it calls `endless.ready()`', async () => {
    const [kept, dropped] = [await freePort(), await freePort()];
    const listenKept = { listen: { name: 'kept', port: kept } };
    const { program, change } = await plan([listenKept, { listen: { name: 'dropped', port: dropped } }]);
    const load = await littleLoad('kept', { port: kept });
    change(listenKept, { ready: true });
    const { generation, durationMs } = await restart(kept);
    expect(generation).toBe(1);
    expect(durationMs).toBeLessThan(3_000);
    await until(async () => (await connecting(dropped)) === 'ECONNREFUSED');
    expect(warnings(program)).toEqual([expect.stringMatching(new RegExp(`:${dropped} closes after`))]);
    await expectNothingLost(load, 0, 1);
  });

  test('fails with ERR_ENDLESS_ADDRESS_UNCLAIMED when it listens on none of the old ports', async () => {
    const [old, other] = [await freePort(), await freePort()];
    const listenOld = { listen: { name: 'app', port: old } };
    const { program, change } = await plan([listenOld], { startTimeout: 2_000 });
    const load = await littleLoad('app', { port: old });
    change({ listen: { name: 'app', port: other } });
    const { code, message } = await restart(old);
    expect(code).toBe('ERR_ENDLESS_ADDRESS_UNCLAIMED');
    expect(message).toContain('`startTimeout` (2000 ms)');
    expect(program.pids()).toEqual([program.pid]);
    expect(await connecting(other)).toBe('ECONNREFUSED');
    change(listenOld);
    expect((await restart(old)).generation).toBe(1);
    await expectNothingLost(load, 0, 1);
  });
});

const warnings = (program: Program) =>
  program.stderr.split('\n').filter((line) => /closes after|cannot be handed over|Refused/.test(line));

describe('port 0', () => {
  test('is the same port after a restart', async () => {
    const fixed = await freePort();
    const steps = [
      { listen: { name: 'any', port: 0, host: HOST } },
      { listen: { name: 'fixed', port: fixed, host: HOST } },
    ];
    const { program } = await plan(steps);
    const [port] = (await portsOf(program, 2)).filter((each) => each !== fixed);
    const load = await littleLoad('any', { port: Number(port) });
    const second = await hup(program);
    await hup(program, second);
    await expectNothingLost(load, 0, 1, 2);
    expect(await getJson(Number(port), '/address')).toEqual({ address: HOST, family: 'IPv4', port });
  });

  longTest('asked for by two servers on one host is not handed over, and a warning names both', async () => {
    const fixed = await freePort();
    const any = { listen: { name: 'any', port: 0, host: HOST } };
    const { program } = await plan([any, any, { listen: { name: 'fixed', port: fixed, host: HOST } }]);
    const before = (await portsOf(program, 3)).filter((port) => port !== fixed);
    const load = await littleLoad('fixed', { port: fixed });
    const mark = program.stderr.length;
    await hup(program);
    await expectNothingLost(load, 0, 1);
    expect(warnings(program)).toEqual([
      expect.stringMatching(
        new RegExp(`${HOST}:${before[0]}, ${HOST}:${before[1]} cannot be handed over.*port 0`),
      ),
    ]);
    const after = (await portsOf(program, 3, mark)).filter((port) => port !== fixed);
    for (const port of after) expect((await get({ port })).body).toBe('any 1');
  });
});

/** The ports that the program says it serves on, each once, when it has said so many: it logs them after it listens. */
async function portsOf(program: Program, count: number, after = 0): Promise<number[]> {
  const ports = () => [
    ...new Set(
      [...program.stderr.slice(after).matchAll(/serving on \S*:(\d+)/g)].map(([, port]) => Number(port)),
    ),
  ];
  await until(() => ports().length === count);
  return ports();
}

describe('what the program asks for is what it gets', () => {
  const CHECKED = {
    'a port': async () => ({ port: await freePort(), host: HOST }),
    'a unix socket': async () => ({ path: path.join(temporaryFolder(), 'app.sock') }),
  };
  for (const [name, make] of Object.entries(CHECKED))
    test(`${name} that a check has opened and closed before`, async () => {
      const where = await make();
      const { program } = await plan([
        { check: where },
        { check: where },
        { listen: { name: 'app', ...where } },
      ]);
      const load = await littleLoad('app', where);
      const second = await hup(program);
      await until(() => load.answers.has('1'));
      await hup(program, second);
      await expectNothingLost(load, 0, 1, 2);
      expect(program.stdout).not.toContain('early connection');
    });

  longTest('a host whose name is still being looked up when it calls `endless.ready()`', async () => {
    const port = await freePort();
    const { program } = await plan([
      { listenSoon: { name: 'app', port, host: 'localhost' } },
      { ready: true },
    ]);
    await program.waitFor('serving on');
    const load = await littleLoad('app', { port, host: 'localhost' });
    await hup(program);
    await expectNothingLost(load, 0, 1);
    expect(warnings(program)).toEqual([]);
  });

  longTest('a host whose name could not be looked up at the first try', async () => {
    const { program, port } = await serve('retrying.mjs');
    const load = await littleLoad('app', { port, host: 'localhost' });
    expect((await restart(port, 'localhost')).generation).toBe(1);
    await program.waitFor('error EAI_AGAIN');
    await expectNothingLost(load, 0, 1);
  });

  longTest('frozen listen options', async () => {
    const port = await freePort();
    const { program } = await plan([{ listen: { name: 'app', port, host: HOST, frozen: true } }]);
    const load = await littleLoad('app', { port });
    await hup(program);
    await expectNothingLost(load, 0, 1);
  });

  test('EADDRINUSE for a second server on an address that has been claimed', async () => {
    const port = await freePort();
    const listenApp = { listen: { name: 'app', port, host: HOST } };
    const { program, change } = await plan([listenApp], { ready: 'manual' });
    const load = await littleLoad('app', { port });
    change(listenApp, { listen: { name: 'twin', port, host: HOST } }, { ready: true });
    const { code, message } = await restart(port);
    expect(code).toBe('ERR_ENDLESS_SUCCESSOR_EXITED');
    expect(message).toContain(`listen EADDRINUSE: address already in use ${HOST}:${port}`);
    change(listenApp, { ready: true });
    await hup(program);
    await expectNothingLost(load, 0, 1);
  });

  longTest('its backlog', async () => {
    const port = await freePort();
    const { program } = await plan([{ listen: { name: 'app', port, host: HOST, backlog: 3 } }]);
    const pid = await hup(program);
    await program.waitForPids(1);
    program.signal('SIGSTOP', pid);
    // The kernel lets one more client wait than the backlog.
    expect(await queued(port)).toBe(4);
    program.signal('SIGCONT', pid);
    await until(async () => (await get({ port })).body === 'app 1');
  });

  const forms: Record<string, (port: number) => { address: unknown; host: string; bound: object }> = {
    "':PORT'": (port) => ({
      address: `:${port}`,
      host: '::1',
      bound: { address: '::', family: 'IPv6', port },
    }),
    "'localhost:PORT'": (port) => ({
      address: `localhost:${port}`,
      host: 'localhost',
      bound: { address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/), family: expect.any(String), port },
    }),
    "'[::1]:PORT'": (port) => ({
      address: `[::1]:${port}`,
      host: '::1',
      bound: { address: '::1', family: 'IPv6', port },
    }),
    "'127.0.0.1:PORT'": (port) => ({
      address: `127.0.0.1:${port}`,
      host: HOST,
      bound: { address: HOST, family: 'IPv4', port },
    }),
    '{ port, host, ipv6Only }': (port) => ({
      address: { port, host: '::', ipv6Only: true },
      host: '::1',
      bound: { address: '::', family: 'IPv6', port },
    }),
  };
  for (const [form, make] of rowsOf(Object.entries(forms), ([form]) => form === "'127.0.0.1:PORT'"))
    rowTest(`the address ${form}`, async () => {
      const port = await freePort();
      const { address, host, bound } = make(port);
      const { program } = await plan([{ endlessListen: { name: 'app', address } }]);
      const tellAddress = () => get({ port, host, path: '/address' }).then(({ body }) => JSON.parse(body));
      const before = await tellAddress();
      expect(before).toEqual(bound);
      const load = await littleLoad('app', { port, host });
      await hup(program);
      await expectNothingLost(load, 0, 1);
      expect(await tellAddress()).toEqual(before);
      if (form.includes('ipv6Only')) expect(await connecting(port)).toBe('ECONNREFUSED');
    });

  for (const form of rowsOf(["'unix:PATH'", '{ path }'], (form) => form !== '{ path }'))
    rowTest(`a unix socket, asked for as ${form}`, async () => {
      const file = path.join(temporaryFolder(), 'app.sock');
      const address = form.startsWith('{') ? { path: file } : `unix:${file}`;
      const { program } = await plan([{ endlessListen: { name: 'app', address } }]);
      const load = await littleLoad('app', { path: file });
      const second = await hup(program);
      await until(() => load.answers.has('1'));
      await hup(program, second);
      await expectNothingLost(load, 0, 1, 2);
      const { body } = await get({ socketPath: file, path: '/address' });
      expect(JSON.parse(body)).toBe(file);
    });

  longTest('the mode of a unix socket that all may write to', async () => {
    const file = path.join(temporaryFolder(), 'app.sock');
    const { program } = await plan([
      { listen: { name: 'app', path: file, readableAll: true, writableAll: true } },
    ]);
    const mode = statSync(file).mode & 0o666;
    expect(mode).toBe(0o666);
    await hup(program);
    await program.waitForPids(1);
    expect(statSync(file).mode & 0o666).toBe(mode);
    expect((await get({ socketPath: file })).body).toBe('app 1');
  });

  test('no unix socket left behind: the path goes with the last process, or with the code that drops it', async () => {
    const [kept, dropped] = ['kept', 'dropped'].map((name) => path.join(temporaryFolder(), name)) as [
      string,
      string,
    ];
    const listenKept = { listen: { name: 'kept', path: kept } };
    const { program, change } = await plan([listenKept, { listen: { name: 'dropped', path: dropped } }]);
    change(listenKept, { ready: true });
    const pid = await hup(program);
    await program.waitForPids(1);
    expect([existsSync(kept), existsSync(dropped)]).toEqual([true, false]);
    program.signal('SIGTERM', pid);
    await program.waitForPids(0);
    expect(existsSync(kept)).toBe(false);
  });
});

/** How many connections the kernel takes for a process that accepts none; the next ones get no answer. */
async function queued(port: number): Promise<number> {
  const sockets: net.Socket[] = [];
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()));
  for (let count = 0; count < 20; count += 1) {
    const socket = net.connect({ port, host: HOST });
    sockets.push(socket);
    const connected = await new Promise<boolean>((resolve) => {
      // Looks once more at what has come in, should this process have been the slow one.
      const timer = setTimeout(() => setImmediate(resolve, false), 500);
      socket.once('connect', () => {
        clearTimeout(timer);
        resolve(true);
      });
      socket.on('error', () => {});
    });
    if (!connected) return count;
  }
  return sockets.length;
}

describe('before `go`', () => {
  test("with `ready: 'manual'` nothing but `endless.ready()` ends the wait, and nothing is accepted", async () => {
    const port = await freePort();
    const goFile = path.join(temporaryFolder(), 'go');
    const listenApp = { listen: { name: 'app', port } };
    const { program, change } = await plan([listenApp], { ready: 'manual' });
    const load = startLoad({ port, connections: 10, mode: 'new-connection' });
    await until(() => load.answered > 0);
    change(listenApp, { say: 'all is up in' }, { waitForFile: goFile }, { ready: true });
    const restarted = restart(port);
    await program.waitFor('all is up in');
    const seen = load.answered;
    await until(() => load.answered > seen + 300);
    expect([...load.answers.keys()]).toEqual(['0']);
    writeFileSync(goFile, '');
    expect((await restarted).generation).toBe(1);
    await expectNothingLost(load, 0, 1);
    expect(program.stdout).not.toContain('early connection');
  });

  longTest(
    "with `ready: 'manual'` in the new program only, the end of `startTimeout` does not end the wait either",
    async () => {
      const [kept, dropped] = [await freePort(), await freePort()];
      const listenKept = { listen: { name: 'kept', port: kept } };
      const manual = { configure: { ready: 'manual' } };
      const { program, change } = await plan([listenKept, { listen: { name: 'dropped', port: dropped } }], {
        startTimeout: 1_000,
      });
      const load = await littleLoad('kept', { port: kept });
      change(manual, listenKept);
      expect(await restart(kept)).toMatchObject({ code: 'ERR_ENDLESS_START_TIMEOUT' });
      expect(program.pids()).toEqual([program.pid]);
      expect((await get({ port: dropped })).body).toBe('dropped 0');
      change(manual, listenKept, { ready: true });
      expect((await restart(kept)).generation).toBe(1);
      await expectNothingLost(load, 0, 1);
    },
  );

  test('`healthCheck` reaches the candidate by `connect()` while the port is answered by the old process', async () => {
    const goFile = path.join(temporaryFolder(), 'go');
    const { program, port } = await serve('health.mjs', {}, { env: { GO_FILE: goFile } });
    const load = startLoad({ port, connections: 10, mode: 'new-connection' });
    await until(() => load.answered > 0);
    const restarted = restart(port);
    const [, pid, answer] = await program.waitFor(/health (\d+) (.*)/, { from: 'stdout' });
    expect(answer).toBe('app 1');
    const seen = load.answered;
    await until(() => load.answered > seen + 100);
    expect([...load.answers.keys()]).toEqual(['0']);
    writeFileSync(goFile, '');
    expect(await restarted).toMatchObject({ generation: 1, pid: Number(pid) });
    await expectNothingLost(load, 0, 1);
    // The one of the health check itself.
    expect(program.stdout.match(/early connection/g)).toHaveLength(1);
  });
});

describe('programs of every kind', () => {
  test('a server that is closed at once, as by a look for a free port, is worth no line of the log', () => {
    const source = 'const server = require("node:http").createServer().listen(0, () => server.close())';
    const { status, stderr } = spawnSync(
      process.execPath,
      ['--require', '@endless/core/register', '--eval', source],
      { cwd: path.dirname(fixture('plain.mjs')), encoding: 'utf8', timeout: 10_000 },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  rowTest.for(rowsOf(['--require', '--import'], (option) => option === '--require'))(
    'one that knows nothing of endless, with `node %s @endless/core/register`',
    async (option) => {
      const { program, port } = await serve(
        'plain.mjs',
        {},
        { cwd: path.dirname(fixture('plain.mjs')), execArgv: [option, '@endless/core/register'] },
      );
      const load = startLoad({
        port,
        connections: 4,
        mode: 'keep-alive',
        label: ({ headers }) => headers['x-pid'] ?? '',
      });
      const pids = [program.pid];
      await until(() => load.answered > 0);
      for (let generation = 1; generation <= 2; generation += 1) {
        program.signal('SIGHUP', pids.at(-1));
        const [, pid] = await program.waitFor(
          new RegExp(`pid (\\d+), generation ${generation}, has taken over`),
        );
        pids.push(Number(pid));
        await until(() => load.answers.has(String(pid)));
      }
      const { lost, answers } = await load.stop();
      expect(lost).toEqual([]);
      expect([...answers.keys()]).toEqual(pids.map(String));
      expect(await program.waitForPids(1)).toEqual([pids.at(-1)]);
      expect(program.stderr).not.toMatch(/warning|error/i);
    },
  );

  longTest("a CommonJS one, with `require('@endless/core')`", async () => {
    const { program, port } = await serve('required.cjs');
    const answers: string[] = [(await get({ port })).body];
    for (let restarts = 0, pid = program.pid; restarts < 2; restarts += 1) {
      pid = await hup(program, pid);
      answers.push((await get({ port })).body);
    }
    expect(answers).toEqual(['generation 0', 'generation 1', 'generation 2']);
  });

  test('one that starts processes of its own: they get none of our descriptors, and nothing in the environment', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, freePort));
    const listenAll = ports.map((port) => ({ listen: { name: String(port), port, host: HOST } }));
    const children = [
      { spawn: { command: process.execPath, args: ['-e', 'setTimeout(() => {}, 20_000)'] } },
      { spawn: { command: 'sleep 20', args: [], shell: true } },
    ];
    const { program, change } = await plan(listenAll);
    change(...listenAll, ...children);
    const pid = await hup(program);
    await program.waitFor(new RegExp(`listening ${pid} 1`));
    const answers: GetResponse[] = await Promise.all(ports.map((port) => get({ port })));
    expect(answers.map(({ body }) => body)).toEqual(ports.map((port) => `${port} 1`));

    expect(socketsOf(pid).length).toBeGreaterThanOrEqual(ports.length);
    const told = () => [...program.stdout.matchAll(/grandchild (\d+) of 1/g)].map(([, id]) => Number(id));
    await until(() => told().length === 2);
    const grandchildren = told();
    for (const grandchild of grandchildren) {
      await until(
        () => readFileSync(`/proc/${grandchild}/cmdline`, 'utf8').match(/setTimeout|sleep/) !== null,
      );
      const ours = new Set(socketsOf(pid));
      expect(socketsOf(grandchild).filter((socket) => ours.has(socket))).toEqual([]);
      const environment = readFileSync(`/proc/${grandchild}/environ`, 'utf8').split('\0');
      expect(environment.filter((entry) => /^(ENDLESS_HANDOFF|NODE_CHANNEL)/.test(entry))).toEqual([]);
    }
    expect(newestPid(program)).toBe(pid);
  });
});

/** The sockets that a process holds, by inode. */
function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((fd) => {
    try {
      const target = readlinkSync(path.join(folder, fd));
      return target.startsWith('socket:') ? [target] : [];
    } catch {
      // Closed since the folder was read.
      return [];
    }
  });
}
