import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { get } from '@endless/testkit';
import { expect } from 'vitest';
import { lines, type Run, type RunOptions, run, temporaryFolder, until, workers } from './program.js';

/** Starts two workers of a program that listens in this way. */
async function two(kind: string, { env, ...options }: RunOptions = {}): Promise<Run> {
  const served = await run('addresses.mjs', {
    ...options,
    env: { KIND: kind, ...env },
    flags: ['--workers', '2'],
  });
  await lines(served, /is ready \(2 of 2\)/, 1);
  return served;
}

/** What new connections are answered, without the pid. */
async function answers(where: { port: number; host?: string } | { socketPath: string }): Promise<string[]> {
  const bodies = new Set<string>();
  for (let ask = 0; ask < 60; ask += 1) bodies.add((await get(where)).body.replace(/ \d+$/, ''));
  return [...bodies].sort();
}

/** What happens to the worker that has bound the address. */
const ENDS: Record<string, (served: Run, ask: (path: string) => Promise<unknown>) => Promise<unknown>> = {
  async 'exits after SIGTERM'(served) {
    served.program.signal('SIGTERM', workers(served)[0]);
    await lines(served, /is ready \(2 of 2\)/, 2);
  },
  async crashes(served) {
    served.program.signal('SIGKILL', workers(served)[0]);
    await lines(served, /is ready \(2 of 2\)/, 2);
  },
  'is replaced': ({ command }) => command('restart'),
  async 'closes its server'({ program }, ask) {
    await until(async () => {
      await ask('/close/0');
      return program.output.includes('worker 0 has closed');
    });
  },
};

describe('a unix socket keeps its path', () => {
  for (const [what, end] of Object.entries(ENDS))
    (what === 'exits after SIGTERM' ? test : longTest)(
      `when the worker that has bound it ${what}, although the program removes it before it listens and as it exits`,
      async () => {
        const socketPath = path.join(temporaryFolder(), 'app.sock');
        const served = await two('path', { env: { SOCKET: socketPath } });
        await end(served, (asked) => get({ socketPath, path: asked }));
        expect((await get({ socketPath })).body).toMatch(/^path \d \d+$/);
        expect(existsSync(socketPath)).toBe(true);
        expect((await served.command('scale', '1')).code).toBe(0);
        // If worker 0 has closed its server, no worker serves the path any more.
        if (what !== 'closes its server') expect(existsSync(socketPath)).toBe(true);
        served.program.signal('SIGTERM');
        expect(await served.program.exited).toEqual({ code: 0, signal: null });
        expect(existsSync(socketPath)).toBe(false);
      },
    );

  longTest('until no worker serves it', async () => {
    const socketPath = path.join(temporaryFolder(), 'app.sock');
    const served = await two('path', { env: { SOCKET: socketPath } });
    const closed = () => served.program.output.match(/worker \d has closed/g)?.length ?? 0;
    for (const worker of [0, 1])
      await until(async () => {
        await get({ socketPath, path: `/close/${worker}` }).catch(() => {});
        return closed() > worker;
      });
    await until(() => !existsSync(socketPath));
  });
});

describe('an address that no worker serves refuses its clients', () => {
  longTest('once a worker drains that was scaled away', async () => {
    const socketPath = path.join(temporaryFolder(), 'own.1');
    const served = await two('path per worker', { env: { SOCKET: socketPath.replace(/\.1$/, '') } });
    await until(() => existsSync(socketPath));
    const slow = get({ socketPath, path: '/slow' });
    await sleep(200);
    const fewer = served.command('scale', '1');
    const refused = () =>
      get({ socketPath, timeout: 300 }).then(
        () => false,
        ({ code }) => ['ECONNREFUSED', 'ENOENT'].includes(code),
      );
    await until(refused, 2_000);
    expect((await slow).body).toMatch(/^own 1 /);
    expect((await fewer).code).toBe(0);
  });

  longTest('some time after the next process of a crashed worker has not opened it', async () => {
    const SOCKET = path.join(temporaryFolder(), 'own');
    const served = await run('addresses.mjs', {
      env: { KIND: 'path per process', SOCKET },
      flags: ['--start-timeout', '3s'],
    });
    const own = () => `${SOCKET}.${workers(served)[0]}`;
    const old = own();
    await sleep(1_100);
    served.program.signal('SIGKILL', workers(served)[0]);
    await lines(served, /worker 0: pid \d+ is ready/, 2);
    await until(() => existsSync(own()));
    expect(existsSync(old)).toBe(true);
    await until(() => !existsSync(old), 6_000);
    expect((await get({ socketPath: own() })).body).toMatch(/^own 0 /);
  });
});

describe('two workers', () => {
  test('that ask twice for one address serve it once each, and the second server gets its error', async () => {
    const served = await two('twice');
    await served.program.waitFor(/worker 0 EADDRINUSE/);
    await served.program.waitFor(/worker 1 EADDRINUSE/);
    expect(await answers(served)).toEqual(['one 0', 'one 1']);
  });

  test('that ask for port 0 once share it', async () => {
    const { program } = await two('port 0');
    const [, port] = await program.waitFor(/worker 1 has port (\d+)/);
    expect(program.output).toContain(`worker 0 has port ${port}`);
    expect(await answers({ port: Number(port) })).toEqual(['one 0', 'one 1']);
  });

  longTest('that ask for port 0 twice each have ports of their own, also after a crash', async () => {
    const served = await two('two on port 0');
    const { program } = served;
    await program.waitFor('Two servers asked for port 0 of one host');
    const portsOf = () =>
      [...program.output.matchAll(/worker (\d) has ports (\d+) (\d+)/g)].map(([, worker, one, other]) => ({
        worker,
        ports: [Number(one), Number(other)],
      }));
    const check = async (at: number) => {
      const { worker, ports } = portsOf()[at] as ReturnType<typeof portsOf>[number];
      for (const [index, name] of ['one', 'two'].entries())
        expect(await answers({ port: ports[index] as number })).toEqual([`${name} ${worker}`]);
    };
    await until(() => portsOf().length === 2);
    await check(0);
    await check(1);
    const before = portsOf()[0]?.ports as number[];
    program.signal('SIGKILL', workers(served)[0]);
    await until(() => portsOf().length === 3);
    await check(2);
    // No client waits on an address that no process serves.
    await expect(get({ port: before[1] as number })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  for (const [kind, expected] of Object.entries({
    'both families': { '127.0.0.1': 'both', '::1': 'both' },
    'two families': { '127.0.0.1': 'four', '::1': 'six' },
    name: { localhost: 'name' },
    exclusive: { '127.0.0.1': 'exclusive' },
    reusePort: { '127.0.0.1': 'reusePort' },
  }))
    longTest(`share an address of this kind: ${kind}`, async () => {
      const served = await two(kind);
      const { port, program, command } = served;
      const check = async () => {
        for (const [host, name] of Object.entries(expected))
          expect(await answers({ port, host })).toEqual([`${name} 0`, `${name} 1`]);
      };
      await check();
      program.signal('SIGKILL', workers(served)[0]);
      await lines(served, /is ready \(2 of 2\)/, 2);
      await check();
      expect((await command('restart')).code).toBe(0);
      await check();
      expect(program.output).not.toContain('EADDRINUSE');
    });
});
