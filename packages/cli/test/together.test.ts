// Workers that ask for one new address at the same moment: the first to ask binds, and all others share its socket.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { get, nodeBinaries, startLoad } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { lines, type Run, type RunOptions, run, temporaryFolder, until, workers } from './program.js';

/** An address that the workers ask for. */
interface Order {
  name: string;
  /** The arguments of `listen`. */
  listen: unknown[];
  /** What worker 1, which asks a moment before the others, does next. */
  deed?: 'crashes' | 'closes' | 'blocks';
  /** The one worker of which a process asks that has started before. */
  only?: string;
}

/** How far two moments are apart, in milliseconds. */
const BETWEEN = 60;

/** Starts workers of a program that listens where and when it is told. */
async function start(count: number, { env, ...options }: RunOptions = {}) {
  const file = path.join(temporaryFolder(), 'orders.json');
  const served = await run('together.mjs', {
    ...options,
    env: { ORDERS: file, ...env },
    flags: ['--workers', String(count)],
    maxProcesses: 12,
  });
  await lines(served, new RegExp(`is ready \\(${count} of ${count}\\)`), 1);
  const orders: (Order & { at: number })[] = [];
  /** Has all workers ask for each of these addresses at a moment of its own. */
  const ask = (added: Order[]) => {
    const begin = Date.now() + 100;
    orders.push(...added.map((order, at) => ({ ...order, at: begin + at * BETWEEN })));
    writeFileSync(`${file}.new`, JSON.stringify(orders));
    renameSync(`${file}.new`, file);
  };
  return { served, ask };
}

/** What each worker, by index, has logged of an address. */
function said({ program }: Run, name: string): Record<string, string[]> {
  const seen: Record<string, string[]> = {};
  for (const [, index = '', what = ''] of program.output.matchAll(
    new RegExp(`^${name}: worker (\\d+) (.*)$`, 'gm'),
  ))
    seen[index] = [...(seen[index] ?? []), what.trim()];
  return seen;
}

/** Waits until each of so many workers has logged something of each address; fails unless all listen. */
async function share(served: Run, names: string[], count: number): Promise<void> {
  const expected = Object.fromEntries(Array.from({ length: count }, (_, index) => [index, ['listens']]));
  for (const name of names) {
    await until(() => Object.keys(said(served, name)).length === count, 10_000);
    expect([name, said(served, name)]).toEqual([name, expected]);
  }
  expect(served.program.output).not.toMatch(/EADDRINUSE|starting it again/);
}

/** How many sockets of the machine listen at an address of IPv4. */
function listening(host: string, port: number): number {
  const bytes = host.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'));
  const address = `${bytes.reverse().join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase();
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local === address && state === '0A').length;
}

/** Addresses of this machine on the port of the program, which no other program has. */
const hosts = (count: number) => Array.from({ length: count }, (_, at) => `127.0.1.${at + 1}`);
const ordersOf = ({ port }: Run, count: number): Order[] =>
  hosts(count).map((host) => ({ name: host, listen: [port, host] }));

/** Fails unless each address is served, by one socket. */
async function serve(served: Run, count: number): Promise<void> {
  for (const host of hosts(count)) {
    expect([host, listening(host, served.port)]).toEqual([host, 1]);
    expect((await get({ host, port: served.port })).body).toMatch(/^\d \d+$/);
  }
}

/** A port that no client of another test can have at its end: it is not one of those that the kernel gives out. */
async function fixedPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}

describe('workers that ask for one new address at the same moment', () => {
  test('share it, 8 times, after a change of their number', async () => {
    const { served, ask } = await start(1);
    expect((await served.command('scale', '3')).code).toBe(0);
    ask(ordersOf(served, 8));
    await share(served, hosts(8), 3);
    await serve(served, 8);
  });

  for (const { version, path: node } of nodeBinaries())
    longTest(`share it, 100 times (Node.js ${version})`, async () => {
      const { served, ask } = await start(4, { node });
      ask(ordersOf(served, 100));
      await share(served, hosts(100), 4);
      await serve(served, 100);
      // A worker that crashes and one that is replaced find all of them again.
      const [before] = workers(served);
      await sleep(1_100);
      served.program.signal('SIGKILL', before);
      await lines(served, /is ready \(4 of 4\)/, 2);
      expect((await served.command('restart')).code).toBe(0);
      await serve(served, 100);
      expect(served.program.output).not.toContain('EADDRINUSE');
    });

  const port = Symbol('port');
  const rows: Record<string, unknown[]> = {
    'on a wildcard, without a host': [port],
    'on `::`': [port, '::'],
    'on `::` of IPv6 alone': [{ port, host: '::', ipv6Only: true }],
    'by a host name': [port, 'localhost'],
    'with `exclusive`': [{ port, host: '127.0.0.1', exclusive: true }],
    'with a backlog': [port, '127.0.0.1', 7],
    'with the backlog as an option': [{ port, host: '127.0.0.1', backlog: 7 }],
  };
  for (const [how, listen] of Object.entries(rows))
    longTest(`share it ${how}, 5 times`, async () => {
      const { served, ask } = await start(4);
      const orders: Order[] = [];
      for (let time = 0; time < 5; time += 1) {
        const given = await fixedPort();
        const filled = listen.map((each) => {
          if (each === port) return given;
          return typeof each === 'object' ? { ...each, port: given } : each;
        });
        orders.push({ name: `${how} ${time}`.replaceAll(/[`:]/g, ''), listen: filled });
      }
      ask(orders);
      await share(
        served,
        orders.map(({ name }) => name),
        4,
      );
    });

  longTest('share a unix socket, 10 times', async () => {
    const { served, ask } = await start(4);
    const folder = temporaryFolder();
    const paths = Array.from({ length: 10 }, (_, at) => path.join(folder, `${at}.sock`));
    ask(paths.map((socketPath) => ({ name: path.basename(socketPath), listen: [socketPath] })));
    await share(
      served,
      paths.map((socketPath) => path.basename(socketPath)),
      4,
    );
    for (const socketPath of paths) expect((await get({ socketPath })).body).toMatch(/^\d \d+$/);
    // Each serves: the address outlives the worker that has bound it.
    expect((await served.command('restart')).code).toBe(0);
    for (const socketPath of paths) expect((await get({ socketPath })).body).toMatch(/^\d \d+$/);
  });

  for (const [deed, what] of [
    ['closes', 'has closed it'],
    ['blocks', 'is blocked for longer than a second'],
  ] as const)
    longTest(
      `share it, although the first of them ${what} before the supervisor has it, 5 times`,
      async () => {
        const { served, ask } = await start(3);
        for (const order of ordersOf(served, 5)) {
          ask([{ ...order, deed }]);
          await share(served, [order.name], 3);
          expect(listening(order.name, served.port)).toBe(1);
        }
      },
    );

  longTest('share it, although the first of them crashes before the supervisor has it, 3 times', async () => {
    const { served, ask } = await start(3);
    for (const [at, order] of ordersOf(served, 3).entries()) {
      // A worker that has served for a second starts again at once.
      await sleep(1_200);
      ask([{ ...order, deed: 'crashes' }]);
      await lines(served, /worker 1: pid \d+ is ready/, at + 2);
      await until(() => Object.keys(said(served, order.name)).length === 3);
      expect(said(served, order.name)).toMatchObject({ 0: ['listens'], 2: ['listens'] });
      expect(listening(order.name, served.port)).toBe(1);
    }
    expect(served.program.output).not.toContain('EADDRINUSE');
  });

  longTest('share it during a rolling restart, 30 times', async () => {
    const { served, ask } = await start(3);
    const restart = served.command('restart');
    const asked = ordersOf(served, 30);
    for (const order of asked) {
      ask([order]);
      await sleep(BETWEEN);
    }
    expect((await restart).code).toBe(0);
    for (const { name } of asked) {
      await until(() => Object.keys(said(served, name)).length === 3);
      // Of some workers, two processes ask.
      expect([name, new Set(Object.values(said(served, name)).flat())]).toEqual([name, new Set(['listens'])]);
    }
    expect(served.program.output).not.toContain('starting it again');
    await serve(served, 30);
  });

  test('each get the error of Node.js if another program has it, or if it cannot be bound', async () => {
    const { served, ask } = await start(2);
    const [host = ''] = hosts(1);
    const other = createServer().listen(served.port, host);
    onTestFinished(() => void other.close());
    ask([
      { name: 'taken', listen: [served.port, host] },
      { name: 'impossible', listen: ['/nonexistent/app.sock'] },
      { name: 'own', listen: [served.port, '127.0.0.1'] },
    ]);
    for (const [name, error] of [
      ['taken', `EADDRINUSE listen ${served.port}`],
      ['impossible', 'EACCES listen -1'],
      ['own', `EADDRINUSE listen ${served.port}`],
    ] as const) {
      await until(() => Object.keys(said(served, name)).length === 2);
      expect([name, said(served, name)]).toEqual([name, { 0: [error], 1: [error] }]);
    }
    expect(served.program.output).not.toContain('starting it again');
  });
});

test('a release that also listens where another program does fails at its restart, and nothing is lost', async () => {
  const { served, ask } = await start(1, { env: { CRASHES: 'yes' } });
  const [host = ''] = hosts(1);
  const other = createServer().listen(served.port, host);
  onTestFinished(() => void other.close());
  const load = startLoad({ port: served.port, connections: 8, mode: 'keep-alive', thinkTime: () => 2 });
  // The process that serves now asks for nothing.
  ask([{ name: 'taken', listen: [served.port, host], only: 'none' }]);
  await sleep(200);
  const [before] = workers(served);
  expect(await served.command('restart')).toMatchObject({
    code: 1,
    output: expect.stringContaining('EADDRINUSE'),
  });
  expect(await load.stop()).toMatchObject({ lost: [] });
  expect(workers(served)).toEqual([before]);
  expect(served.program.output).not.toContain('has taken over');
});

longTest(
  'a new process answers at an address that another worker has opened only once it has taken over',
  async () => {
    const { served, ask } = await start(2, { env: { LATE: '1500' }, settings: { ready: 'manual' } });
    const [host = ''] = hosts(1);
    ask(ordersOf(served, 1).map((order) => ({ ...order, only: '0' })));
    await until(() => listening(host, served.port) === 1);
    const load = startLoad({ port: served.port, host, connections: 8, mode: 'new-connection' });
    expect((await served.command('restart')).code).toBe(0);
    expect(await load.stop()).toMatchObject({ lost: [] });
    expect(said(served, host)).toEqual({ 0: ['listens', 'listens'], 1: ['listens'] });
  },
);
