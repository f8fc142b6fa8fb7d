import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, longTest, test } from '@endless/conformance';
import { freePort, get, nodeBinaries, type Program, startLoad, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { BIN, fixture, temporaryFolder, until } from './program.js';

const can = (command: string) => spawnSync(command, ['--version']).status === 0;
const ofCore = (name: string) => fileURLToPath(new URL(`../../core/test/fixtures/${name}`, import.meta.url));

interface Unit {
  manager: Program;
  port: number;
  /** The messages that the service manager has received or refused, in order, without those of the watchdog. */
  received(): string[];
  /** The main process of the unit, which never changes. */
  main: number;
  order(word: 'reload' | 'stop' | 'deaf' | 'listen'): void;
  fault(name: string): void;
  /** The pids of the workers, by index, as the supervisor has logged them last. */
  workers(): number[];
}

/** Starts a fixture under `endless run` as a unit of a service manager, and waits until the unit has started. */
async function unit({
  way = 'fd',
  access = 'main',
  flags = [],
  env = {},
  node = process.execPath,
}: {
  way?: 'fd' | 'path';
  access?: 'main' | 'all';
  flags?: string[];
  env?: Record<string, string>;
  node?: string;
} = {}): Promise<Unit> {
  const port = await freePort();
  const faultFile = path.join(temporaryFolder(), 'fault');
  const manager = startProgram(ofCore('service-manager.py'), {
    node: 'python3',
    args: [...[way, access, node, BIN, 'run', '--control', 'none', ...flags], fixture('endless.mjs')],
    stdin: 'pipe',
    env: {
      PORT: String(port),
      SETTINGS: JSON.stringify({ rollbackWindow: 100, idleGrace: 100 }),
      FAULT_FILE: faultFile,
      ...env,
    },
    maxProcesses: 12,
  });
  onTestFinished(() => manager.stop());
  await manager.waitFor(/received \d+ running READY/);
  return {
    manager,
    port,
    received: () => manager.stdout.match(/^(received|refused) .*$/gm) ?? [],
    main: Number(/^main (\d+)$/m.exec(manager.stdout)?.[1]),
    order: (word) => void manager.child.stdin?.write(`${word}\n`),
    fault: (name) => writeFileSync(faultFile, name),
    workers: () => {
      const pids: number[] = [];
      for (const [, index, pid] of manager.stderr.matchAll(/worker (\d+)(?:: pid| is now pid) (\d+)/g))
        pids[Number(index)] = Number(pid);
      return pids;
    },
  };
}

/** What a service manager receives over a start, a reload and a stop of one worker. */
const WORDS = [
  "running READY='1' STATUS='1 of 1 workers ready'",
  expect.stringMatching(/^reload RELOADING='1' MONOTONIC_USEC='\d+' STATUS='restarting worker 1 of 1 ...'$/),
  "running READY='1' STATUS='1 of 1 workers ready'",
  "stop STOPPING='1' STATUS='waiting for connections to finish'",
];

/** When the watchdog got a message, in milliseconds. */
const beats = ({ manager }: Unit) =>
  [...manager.stdout.matchAll(/^watchdog \d+ (\d+)$/gm)].map(([, ms]) => Number(ms));

describe.skipIf(!can('python3'))('the supervisor speaks for a service of systemd (needs python3)', () => {
  longTest(
    'over a start, a reload, a reload that fails and a stop of two workers, on the socket of `OpenFile=`',
    async () => {
      const service = await unit({ flags: ['--workers', '2'] });
      const { manager, main, port, received, order } = service;
      await manager.waitFor(/is ready \(2 of 2\)/);
      const load = startLoad({ port, connections: 6, mode: 'keep-alive' });
      await until(() => load.answered > 0);
      order('reload');
      await manager.waitFor('reload done');
      expect((await load.stop()).lost).toEqual([]);
      const before = received().length;
      service.fault('exit 3');
      const after = manager.stdout.length;
      order('reload');
      await manager.waitFor('reload done', { from: 'stdout', after });
      order('stop');
      await manager.waitFor(/^dead stop 0$/m);

      const reloading = expect.stringMatching(
        new RegExp(
          `^received ${main} reload RELOADING='1' MONOTONIC_USEC='\\d+' STATUS='restarting worker 1 of 2 ...'$`,
        ),
      );
      expect(received().slice(0, before)).toEqual([
        `received ${main} running READY='1' STATUS='1 of 2 workers ready'`,
        `received ${main} running STATUS='2 of 2 workers ready'`,
        reloading,
        `received ${main} reload STATUS='restarting worker 2 of 2 ...'`,
        `received ${main} running READY='1' STATUS='2 of 2 workers ready'`,
      ]);
      expect(received().slice(before)).toEqual([
        reloading,
        expect.stringMatching(
          /running READY='1' STATUS='2 of 2 workers ready; restart failed: worker 0: .* exited with status 3/,
        ),
        `received ${main} stop STOPPING='1' STATUS='waiting for connections to finish'`,
      ]);
    },
  );

  const versions = [
    [test, 'this Node.js', process.execPath] as const,
    ...nodeBinaries().map(({ major, path }) => [longTest, `Node ${major}`, path] as const),
  ];
  for (const [register, name, node] of versions)
    register(`over a start, a reload and a stop (${name})`, async () => {
      const { manager, received, order } = await unit({ node });
      order('reload');
      await manager.waitFor('reload done');
      order('stop');
      await manager.waitFor(/^dead stop 0$/m);
      expect(received().map((line) => line.replace(/^received \d+ /, ''))).toEqual(WORDS);
    });

  longTest('a reload during another restart ends with a restart that began after it', async () => {
    const { manager, main, received, order } = await unit();
    manager.signal('SIGHUP', main);
    await until(() => received().some((line) => line.includes('RELOADING')));
    order('reload');
    await manager.waitFor('reload done', { timeout: 10_000 });
    await until(() => (manager.stderr.match(/restart: done/g) ?? []).length === 2);
    expect(received().filter((line) => line.includes('RELOADING'))).toHaveLength(2);
  });

  longTest('a crash changes the status, and is no reload', async () => {
    const { manager, workers, received } = await unit();
    await sleep(1_100);
    manager.signal('SIGKILL', workers()[0]);
    await until(() => received().filter((line) => line.includes('1 of 1 workers')).length === 2);
    expect(received().map((line) => line.replace(/^\w+ \d+ /, ''))).toEqual([
      "running READY='1' STATUS='1 of 1 workers ready'",
      "running STATUS='0 of 1 workers ready'",
      "running STATUS='1 of 1 workers ready'",
    ]);
  });

  longTest('the watchdog gets a message in half its time, over a restart and a crash', async () => {
    const service = await unit({ env: { WATCHDOG_USEC: '600000' } });
    const { manager, workers, order } = service;
    order('reload');
    await manager.waitFor('reload done');
    const after = manager.stderr.length;
    manager.signal('SIGKILL', workers()[0]);
    await manager.waitFor(/is ready \(1 of 1\)/, { from: 'stderr', after });
    // It crashes again within 1 s: the next start waits for a second.
    manager.signal('SIGKILL', workers()[0]);
    await manager.waitFor(/starting it again in [\d.]+ s/);
    const { length } = beats(service);
    await until(() => beats(service).length >= length + 5);
    const times = beats(service);
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
    expect(Math.max(...gaps)).toBeLessThan(600);
  });

  longTest(
    'the watchdog gets its messages while a worker hangs at its start, since another one follows',
    async () => {
      const service = await unit({
        flags: ['--start-timeout', '1s', '--give-up', '0'],
        env: { WATCHDOG_USEC: '200000' },
      });
      await sleep(1_100);
      service.fault('hang');
      service.manager.signal('SIGKILL', service.workers()[0]);
      await service.manager.waitFor('was not ready within 1 s: killed', { timeout: 15_000 });
      const { length } = beats(service);
      await sleep(2_000);
      expect(beats(service).length).toBeGreaterThan(length + 10);
    },
  );

  longTest('the watchdog gets no message while the supervisor itself hangs', async () => {
    const service = await unit({ env: { WATCHDOG_USEC: '200000' } });
    await until(() => beats(service).length > 2);
    service.manager.signal('SIGSTOP', service.main);
    await sleep(200);
    const { length } = beats(service);
    await sleep(800);
    expect(beats(service).length).toBe(length);
  });

  longTest('a service manager that reads nothing delays no request, no restart and no stop', async () => {
    const service = await unit({ env: { WATCHDOG_USEC: '20000' } });
    const { manager, port, main, order } = service;
    order('deaf');
    // Until the kernel keeps no more messages.
    await sleep(1_500);
    manager.signal('SIGHUP', main);
    await manager.waitFor('restart: done');
    expect((await get({ port, timeout: 1_000 })).status).toBe(200);
    const before = performance.now();
    order('stop');
    await manager.waitFor(/^dead stop 0$/m);
    expect(performance.now() - before).toBeLessThan(4_000);
  });

  longTest('a service manager that reads again gets the last state', async () => {
    const { manager, main, order } = await unit({ env: { WATCHDOG_USEC: '20000' } });
    order('deaf');
    await sleep(1_000);
    manager.signal('SIGHUP', main);
    await manager.waitFor('restart: done');
    order('listen');
    await manager.waitFor(/received \d+ reload RELOADING/);
    await manager.waitFor(/received \d+ running READY='1' STATUS='1 of 1 workers ready'/);
  });

  longTest.skipIf(!can('systemd-notify'))(
    'without a descriptor the command `systemd-notify` sends the same messages (needs systemd-notify)',
    async () => {
      const { manager, received, order } = await unit({ way: 'path', access: 'all' });
      order('reload');
      await manager.waitFor('reload done');
      order('stop');
      await manager.waitFor(/^dead stop 0$/m);
      expect(received().map((line) => line.replace(/^received \d+ /, ''))).toEqual(WORDS);
    },
  );

  longTest(
    'a `systemd-notify` that hangs or is missing delays no restart, and a stop by a second',
    async () => {
      const folder = temporaryFolder();
      writeFileSync(path.join(folder, 'systemd-notify'), '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
      for (const PATH of [`${folder}:${process.env.PATH}`, '/nowhere']) {
        const port = await freePort();
        const program = startProgram(BIN, {
          args: ['run', '--control', 'none', fixture('endless.mjs')],
          env: {
            PORT: String(port),
            SETTINGS: '{"rollbackWindow":100}',
            NOTIFY_SOCKET: '/nowhere/notify',
            PATH,
          },
        });
        onTestFinished(() => program.stop());
        await program.waitFor(/is ready/);
        program.signal('SIGHUP');
        await program.waitFor('restart: done');
        const before = performance.now();
        program.signal('SIGTERM');
        expect(await program.exited).toEqual({ code: 0, signal: null });
        expect(performance.now() - before).toBeLessThan(3_000);
        await program.waitForPids(0);
        expect(program.stderr.match(/service manager/g)?.length ?? 0).toBe(PATH === '/nowhere' ? 1 : 0);
      }
    },
  );
});

/** Starts a program under `endless run` by systemd-socket-activate; it runs once a client has connected. */
function activated(
  file: string,
  sockets: string[],
  env: Record<string, string>,
  { flags = [], node = process.execPath }: { flags?: string[]; node?: string } = {},
): Program {
  const all = { SETTINGS: JSON.stringify({ idleGrace: 100, rollbackWindow: 100 }), ...env };
  const passed = ['ENDLESS_TEST_ID', ...Object.keys(all)].flatMap((name) => ['-E', name]);
  const program = startProgram(node, {
    node: 'systemd-socket-activate',
    execArgv: [...sockets.flatMap((socket) => ['-l', socket]), ...passed],
    args: [BIN, 'run', '--control', 'none', ...flags, file],
    env: all,
    maxProcesses: 12,
  });
  onTestFinished(() => program.stop());
  return program;
}

const ready = (program: Program) => program.stderr.match(/is ready/g)?.length ?? 0;

describe.skipIf(!can('systemd-socket-activate'))(
  'socket activation of `endless run` (needs systemd-socket-activate)',
  () => {
    const versions = [
      [test, 'this Node.js', process.execPath] as const,
      ...nodeBinaries().map(({ major, path }) => [longTest, `Node ${major}`, path] as const),
    ];
    for (const [register, name, node] of versions)
      register(
        `the first request is answered, and neither a restart nor a crash refuses a connection (${name})`,
        async () => {
          const port = await freePort();
          const program = activated(
            fixture('endless.mjs'),
            [`127.0.0.1:${port}`],
            { PORT: String(port) },
            { node },
          );
          await program.waitFor(/Listening on/);
          expect((await get({ port })).status).toBe(200);
          const load = startLoad({ port, connections: 4, mode: 'new-connection' });
          program.signal('SIGHUP');
          await program.waitFor('restart: done');
          expect(load.lost).toEqual([]);
          const [, pid] = await program.waitFor(/worker 0 is now pid (\d+)/);
          const before = ready(program);
          program.signal('SIGKILL', Number(pid));
          await until(() => ready(program) > before);
          const { lostBy, lostCount } = await load.stop();
          expect([...lostBy.keys()].filter((reason) => reason !== 'reset' && reason !== 'ended')).toEqual([]);
          expect(lostCount).toBeLessThanOrEqual(4);
          program.signal('SIGTERM');
          expect(await program.exited).toEqual({ code: 0, signal: null });
        },
      );

    longTest('on a unix socket, whose path stays where systemd has made it', async () => {
      const file = path.join(temporaryFolder(), 'app.sock');
      const program = activated(ofCore('app.mjs'), [file], { ADDRESS: `unix:${file}` });
      await program.waitFor(/Listening on/);
      expect((await get({ socketPath: file })).body).toBe('generation 0');
      program.signal('SIGHUP');
      await program.waitFor('restart: done');
      expect((await get({ socketPath: file })).body).toBe('generation 1');
      const [, pid] = await program.waitFor(/worker 0 is now pid (\d+)/);
      const before = ready(program);
      program.signal('SIGKILL', Number(pid));
      await until(() => ready(program) > before);
      expect((await get({ socketPath: file })).status).toBe(200);
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 0, signal: null });
      // No process listens there any more, and yet endless must not remove it.
      await expect(get({ socketPath: file })).rejects.toThrow('ECONNREFUSED');
    });

    longTest('a socket that no worker asks for stays open, also for a release that asks for it', async () => {
      const [one, two] = [await freePort(), await freePort()];
      const planFile = path.join(temporaryFolder(), 'plan.json');
      const plan = (...steps: object[]) => writeFileSync(planFile, JSON.stringify(steps));
      const [first, second] = [
        { listen: { name: 'one', port: one } },
        { listen: { name: 'two', port: two } },
      ];
      plan(first);
      const program = activated(ofCore('plan.mjs'), [String(one), String(two)], { PLAN_FILE: planFile });
      await program.waitFor(/Listening on/);
      expect((await get({ port: one })).body).toBe('one 0');
      const waiting = get({ port: two, timeout: 20_000 });
      plan(first, second);
      program.signal('SIGHUP');
      await program.waitFor('restart: done');
      expect((await waiting).body).toBe('two 1');
      // A release that does not ask for it again does not give it up.
      plan(first, { ready: true });
      program.signal('SIGHUP');
      await until(() => program.stderr.split('restart: done').length === 3, 15_000);
      const still = get({ port: two, timeout: 20_000 });
      plan(first, second);
      program.signal('SIGHUP');
      expect((await still).body).toBe('two 3');
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    });

    longTest('a port check of the program does not cost it the socket', async () => {
      const port = await freePort();
      const planFile = path.join(temporaryFolder(), 'plan.json');
      writeFileSync(planFile, JSON.stringify([{ check: { port } }, { listen: { name: 'app', port } }]));
      const program = activated(ofCore('plan.mjs'), [String(port)], { PLAN_FILE: planFile });
      await program.waitFor(/Listening on/);
      expect((await get({ port })).body).toBe('app 0');
    });

    longTest('endless in `NODE_OPTIONS` does not take the sockets from the supervisor', async () => {
      const port = await freePort();
      const NODE_OPTIONS = `--require ${fileURLToPath(new URL('../../core/bundle/register.js', import.meta.url))}`;
      const program = activated(fixture('endless.mjs'), [`127.0.0.1:${port}`], {
        PORT: String(port),
        NODE_OPTIONS,
      });
      await program.waitFor(/Listening on/);
      expect((await get({ port })).headers['x-generation']).toBe('0');
      program.signal('SIGHUP');
      await program.waitFor('restart: done');
      expect((await get({ port })).headers['x-generation']).toBe('1');
      program.signal('SIGTERM');
      expect(await program.exited).toEqual({ code: 0, signal: null });
    });

    longTest('the workers see none of its variables', async () => {
      const port = await freePort();
      const program = activated(ofCore('deployed.mjs'), [String(port)], { PORT: String(port) });
      await program.waitFor(/Listening on/);
      const { env } = JSON.parse((await get({ port })).body) as { env: object };
      expect(Object.keys(env).filter((name) => name.startsWith('LISTEN_'))).toEqual([]);
    });
  },
);

longTest('descriptors for another process are left alone, and unusable ones are named', async () => {
  for (const [LISTEN_PID, warned] of [
    ['1', false],
    ['$$', true],
  ] as const) {
    const port = await freePort();
    const program = startProgram('-c', {
      node: 'sh',
      args: [
        `LISTEN_PID=${LISTEN_PID} LISTEN_FDS=1 exec "$@" 3</dev/null`,
        ...['sh', process.execPath, BIN, 'run', '--control', 'none', fixture('endless.mjs')],
      ],
      env: { PORT: String(port), SETTINGS: '{}' },
    });
    onTestFinished(() => program.stop());
    await program.waitFor(/is ready/);
    expect(program.stderr.includes('descriptor 3 (unknown): it is not a socket')).toBe(warned);
  }
});
