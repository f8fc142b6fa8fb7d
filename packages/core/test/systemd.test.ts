import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { freePort, get, type Program, type ProgramOptions, startLoad, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, hup, newestPid, RawClient, temporaryFolder, until } from './program.js';

const can = (command: string) => spawnSync(command, ['--version']).status === 0;

interface Unit {
  manager: Program;
  port: number;
  /** The messages that the service manager has received or refused, in order, without those of the watchdog. */
  heard(): string[];
  /** The main process of the unit. */
  main(): number;
  reload(): void;
  stop(): void;
  /** The service manager reads no message until it listens again. */
  deaf(): void;
  listen(): void;
  fault(name?: string): void;
}

/** Starts a fixture as a unit of the service manager, and waits until that takes it for started. */
async function unit(
  how: { way?: 'fd' | 'path'; access?: 'main' | 'all'; settings?: object } = {},
  env: ProgramOptions['env'] = {},
): Promise<Unit> {
  const { way = 'fd', access = 'main', settings = {} } = how;
  const port = await freePort();
  const faultFile = path.join(temporaryFolder(), 'fault');
  const manager = startProgram(fixture('service-manager.py'), {
    node: 'python3',
    args: [way, access, process.execPath, fixture('app.mjs')],
    stdin: 'pipe',
    env: {
      PORT: String(port),
      SETTINGS: JSON.stringify({ rollbackWindow: 300, ...settings }),
      FAULT_FILE: faultFile,
      ...env,
    },
  });
  onTestFinished(() => manager.stop());
  await manager.waitFor(/received \d+ running READY/);
  const order = (word: string) => void manager.child.stdin?.write(`${word}\n`);
  return {
    manager,
    port,
    heard: () => manager.stdout.match(/^(received|refused) .*$/gm) ?? [],
    main: () => Number([...manager.stdout.matchAll(/^main (\d+)$/gm)].at(-1)?.[1]),
    reload: () => order('reload'),
    stop: () => order('stop'),
    deaf: () => order('deaf'),
    listen: () => order('listen'),
    fault: (name = '') => writeFileSync(faultFile, name),
  };
}

describe.skipIf(!can('python3'))('the notify protocol (needs python3)', () => {
  test('over a start, two reloads and a stop: each word by the main process, in order, and nothing lost', async () => {
    const service = await unit({ settings: { idleGrace: 100 } });
    const { manager, port, heard, main } = service;
    const load = startLoad({ port, connections: 10, mode: 'keep-alive' });
    await until(() => load.answered > 0);
    const mains = [main()];
    for (let generation = 1; generation <= 2; generation += 1) {
      service.reload();
      await until(() => (manager.stdout.match(/^reload done$/gm) ?? []).length === generation, 15_000);
      mains.push(main());
      await until(() => load.answers.has(String(generation)));
      // The old main process is gone, and the unit lives.
      await until(() => manager.pids().length === 2, 10_000);
    }
    expect((await load.stop()).lost).toEqual([]);
    service.stop();
    await manager.waitFor(/^dead stop 0$/m);
    const [first, second, third] = mains;
    const reloading = (pid: number | undefined, generation: number) =>
      expect.stringMatching(
        new RegExp(
          `^received ${pid} reload RELOADING='1' MONOTONIC_USEC='\\d+' STATUS='starting generation ${generation}'$`,
        ),
      );
    const handedTo = (pid: number | undefined, next: number | undefined, generation: number) =>
      `received ${pid} running MAINPID='${next}' READY='1' STATUS='serving: pid ${next}, generation ${generation}'`;
    expect(heard()).toEqual([
      `received ${first} running READY='1' STATUS='serving: pid ${first}, generation 0'`,
      reloading(first, 1),
      handedTo(first, second, 1),
      reloading(second, 2),
      handedTo(second, third, 2),
      `received ${third} stop STOPPING='1' STATUS='waiting for connections to finish'`,
    ]);
  });

  test('a reload that fails ends as well, with the reason, and the next one works', async () => {
    const { manager, heard, main, reload, fault } = await unit({ settings: { idleGrace: 100 } });
    const first = main();
    fault('exit-3');
    reload();
    await manager.waitFor('reload done');
    expect(main()).toBe(first);
    expect(heard().at(-1)).toMatch(
      new RegExp(
        `^received ${first} running READY='1' STATUS='restart failed: The successor \\(pid \\d+\\) exited with status 3`,
      ),
    );
    fault();
    const after = manager.stdout.length;
    reload();
    await manager.waitFor('reload done', { from: 'stdout', after });
    expect(main()).not.toBe(first);
  });

  test('the new main process is named at the commit and not before', async () => {
    const { manager, heard, main, reload } = await unit({ settings: { rollbackWindow: 900 } });
    const first = main();
    reload();
    await manager.waitFor('event handover');
    const handover = performance.now();
    await manager.waitFor('reload done');
    expect(performance.now() - handover).toBeGreaterThan(700);
    expect(main()).not.toBe(first);
    expect(heard().filter((line) => line.includes('MAINPID'))).toHaveLength(1);
  });

  longTest(
    'a rollback ends the reload too: the main process is the old one, and the next reload works',
    async () => {
      const { manager, port, heard, main, reload } = await unit({ settings: { rollbackWindow: 3_000 } });
      const first = main();
      reload();
      const [, successor] = await manager.waitFor(/pid (\d+), generation 1, has taken over/);
      manager.signal('SIGKILL', Number(successor));
      await manager.waitFor('reload done');
      expect(main()).toBe(first);
      expect(heard().at(-1)).toMatch(
        new RegExp(`^received ${first} running READY='1' STATUS='restart failed: `),
      );
      expect(heard().join()).not.toContain('MAINPID');
      expect((await get({ port })).body).toBe('generation 0');
      const after = manager.stdout.length;
      reload();
      await manager.waitFor('reload done', { from: 'stdout', after });
      expect(main()).not.toBe(first);
    },
  );

  test('a stop within the window ends both, and the unit', async () => {
    const { manager, main, reload, stop, heard } = await unit({
      access: 'all',
      settings: { rollbackWindow: 5_000, idleGrace: 100 },
    });
    const first = main();
    reload();
    const [, successor] = await manager.waitFor(/pid (\d+), generation 1, has taken over/);
    // To the main process alone, as with KillMode=mixed: the new one is the old one's to name first.
    stop();
    await manager.waitFor(`${first} Received SIGTERM`);
    expect(main()).toBe(first);
    manager.signal('SIGTERM', Number(successor));
    await manager.waitFor(/^dead /m);
    expect(heard().filter((line) => line.includes('STOPPING')).length).toBeLessThanOrEqual(1);
  });

  test('a reload that is refused ends as well, with the reason', async () => {
    const service = await unit({}, { pm_id: '0', PM2_HOME: '/nowhere' });
    service.reload();
    await service.manager.waitFor('reload done');
    expect(service.heard().at(-1)).toMatch(/READY='1' STATUS='restart failed: PM2 watches/);
  });

  longTest(
    'a drain after a restart is no stop of the unit, whatever signals the old process gets',
    async () => {
      const { manager, port, heard, main, reload } = await unit({ access: 'all' });
      const first = main();
      const client = new RawClient(port).send('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n');
      await new Promise((resolve) => setTimeout(resolve, 200));
      reload();
      await manager.waitFor('reload done');
      manager.signal('SIGTERM', first);
      await manager.waitFor(`${first} Received SIGTERM. This process drains and exits.`);
      expect(await client.send('.').receive(/body \d$/)).toMatch(/body 0$/);
      await until(() => manager.pids().length === 2, 10_000);
      expect(heard().filter((line) => line.includes('STOPPING'))).toEqual([]);
    },
  );

  test('the watchdog gets a message of the main process in half its time, and after a reload of the new one', async () => {
    const service = await unit({ settings: { idleGrace: 100 } }, { WATCHDOG_USEC: '600000' });
    const { manager, main, reload } = service;
    const first = main();
    const beats = (pid: number) =>
      [...manager.stdout.matchAll(/^watchdog (\d+) (\d+)$/gm)]
        .filter(([, sender]) => Number(sender) === pid)
        .map(([, , ms]) => Number(ms));
    await until(() => beats(first).length >= 3);
    reload();
    await manager.waitFor('reload done');
    const second = main();
    await until(() => beats(second).length >= 3);
    // Restarts that follow each other faster than the interval of the watchdog must not leave it without a message.
    expect(service.heard().join('\n')).toMatch(/MAINPID='\d+' READY='1' WATCHDOG='1'/);
    for (const pid of [first, second]) {
      const times = beats(pid);
      const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
      expect(Math.max(...gaps)).toBeLessThan(600);
    }
    // The old process sends no more messages, and exits after its drain.
    await until(() => manager.pids().length === 2, 10_000);
    expect(beats(first).every((time) => time <= (beats(second).at(-1) as number))).toBe(true);
  });

  /** A unit whose notify socket is full, since a watchdog that waits for 20 ms makes it write every 10 ms. */
  async function deafUnit(settings: object): Promise<Unit> {
    const service = await unit({ settings: { idleGrace: 100, ...settings } }, { WATCHDOG_USEC: '20000' });
    service.deaf();
    // The kernel keeps `net.unix.max_dgram_qlen` messages, 10 by default, and one more.
    const most = Number(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'utf8'));
    await new Promise((resolve) => setTimeout(resolve, 300 + most * 15));
    return service;
  }

  longTest(
    'a service manager that reads nothing delays no request, and gets the last state when it reads again',
    async () => {
      const { manager, port, main, stop, listen } = await deafUnit({});
      const slow = get({ port, path: '/slow?ms=1500' });
      for (let asked = 0; asked < 20; asked += 1)
        expect((await get({ port, timeout: 1_000 })).body).toBe('generation 0');
      stop();
      await manager.waitFor('Received SIGTERM');
      listen();
      await manager.waitFor(`received ${main()} stop STOPPING='1'`);
      expect((await slow).body).toBe('slow 0');
      await manager.waitFor(/^dead stop 0$/m);
    },
  );

  longTest('a service manager that never reads again does not keep a process that stops', async () => {
    const { manager, stop } = await deafUnit({});
    const before = performance.now();
    stop();
    await manager.waitFor(/^dead stop 0$/m);
    expect(performance.now() - before).toBeLessThan(4_000);
  });

  longTest('an old process waits until a service manager that reads nothing knows the new one', async () => {
    const { manager, port, main, reload, listen } = await deafUnit({ rollbackWindow: 100 });
    const first = main();
    reload();
    await until(async () => (await get({ port, timeout: 1_000 })).body === 'generation 1', 10_000);
    await manager.waitFor(`event drained ${first}`);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(manager.pids()).toContain(first);
    listen();
    await manager.waitFor('reload done');
    expect(main()).not.toBe(first);
    await until(() => !manager.pids().includes(first), 5_000);
    expect((await get({ port })).body).toBe('generation 1');
  });

  longTest('an old process does not wait for such a service manager beyond its deadline', async () => {
    const { manager, reload } = await deafUnit({ rollbackWindow: 100, hammerTime: 2_500 });
    reload();
    // The service manager ends with its main process, and has ended the unit then.
    await manager.waitFor(/^dead /m);
  });

  test.skipIf(!can('systemd-notify'))(
    'without a descriptor the `systemd-notify` command sends the messages (needs systemd-notify)',
    async () => {
      const service = await unit({ way: 'path', access: 'all', settings: { idleGrace: 100 } });
      const { manager, main } = service;
      const [first] = [main()];
      for (let generation = 1; generation <= 2; generation += 1) {
        const after = manager.stdout.length;
        service.reload();
        await manager.waitFor('reload done', { from: 'stdout', after });
      }
      expect(main()).not.toBe(first);
      service.stop();
      await manager.waitFor(/^dead stop 0$/m);
      const words = service
        .heard()
        .map((line) => line.replace(/^(\w+) \d+ \w+ (.*?)( STATUS=.*)?$/, '$1 $2'));
      expect(words).toEqual([
        "received READY='1'",
        expect.stringMatching(/^received RELOADING='1' MONOTONIC_USEC='\d+'$/),
        expect.stringMatching(/^received MAINPID='\d+' READY='1'$/),
        expect.stringMatching(/^received RELOADING='1' MONOTONIC_USEC='\d+'$/),
        expect.stringMatching(/^received MAINPID='\d+' READY='1'$/),
        "received STOPPING='1'",
      ]);
    },
  );
});

test('a process serves also if it cannot reach its service manager', async () => {
  const port = await freePort();
  const program = startProgram(fixture('app.mjs'), {
    env: {
      PORT: String(port),
      SETTINGS: '{"rollbackWindow":100}',
      NOTIFY_SOCKET: '/nowhere/notify',
      PATH: '/nowhere',
    },
  });
  onTestFinished(() => program.stop());
  await program.waitFor('Stopped reporting to the service manager: ');
  await hup(program);
  await until(async () => (await get({ port })).body === 'generation 1');
  await program.waitForPids(1);
  expect(program.stderr.match(/service manager/g)).toHaveLength(1);
});

/** Starts a fixture by systemd-socket-activate on these sockets; it runs once a client has connected. */
function activated(file: string, sockets: string[], env: Record<string, string>, names?: string): Program {
  const all = { SETTINGS: JSON.stringify({ idleGrace: 100, rollbackWindow: 100 }), ...env };
  const passed = ['ENDLESS_TEST_ID', ...Object.keys(all)].flatMap((name) => ['-E', name]);
  const program = startProgram(process.execPath, {
    node: 'systemd-socket-activate',
    execArgv: [
      ...sockets.flatMap((socket) => ['-l', socket]),
      ...passed,
      ...(names ? [`--fdname=${names}`] : []),
    ],
    args: [fixture(file)],
    env: all,
  });
  onTestFinished(() => program.stop());
  return program;
}

describe.skipIf(!can('systemd-socket-activate'))('socket activation (needs systemd-socket-activate)', () => {
  const forms = {
    'a port': (port: number) => `${port}`,
    'a port of one host': (port: number) => `127.0.0.1:${port}`,
  };
  for (const [name, socketOf] of rowsOf(Object.entries(forms), (_row, at) => at === 0))
    rowTest(`on ${name}: the first request is answered, and a restart loses none`, async () => {
      const port = await freePort();
      const program = activated('app.mjs', [socketOf(port)], { ADDRESS: socketOf(port) });
      await program.waitFor(/Listening on/);
      expect((await get({ port })).body).toBe('generation 0');
      const load = startLoad({ port, connections: 10, mode: 'new-connection' });
      let pid = program.pid;
      for (let generation = 1; generation <= 2; generation += 1) {
        pid = await hup(program, pid);
        await until(() => load.answers.has(String(generation)));
      }
      expect((await load.stop()).lost).toEqual([]);
      await program.waitForPids(1);
      program.signal('SIGTERM', pid);
      await program.waitForPids(0);
    });

  test('on a unix socket, whose path stays where systemd has made it', async () => {
    const file = path.join(temporaryFolder(), 'app.sock');
    const program = activated('app.mjs', [file], { ADDRESS: `unix:${file}` });
    await program.waitFor(/Listening on/);
    expect((await get({ socketPath: file })).body).toBe('generation 0');
    const second = await hup(program);
    expect((await get({ socketPath: file })).body).toBe('generation 1');
    await program.waitForPids(1);
    program.signal('SIGTERM', second);
    await program.waitForPids(0);
    // No process listens there any more, and yet endless must not remove it.
    const code = await new Promise((resolve) =>
      net.connect(file).once('error', (error: NodeJS.ErrnoException) => resolve(error.code)),
    );
    expect(code).toBe('ECONNREFUSED');
  });

  test('on several sockets with names, one of which the program does not ask for: that one stays open', async () => {
    const [one, two, third] = [await freePort(), await freePort(), await freePort()];
    const planFile = path.join(temporaryFolder(), 'plan.json');
    const steps = [{ listen: { name: 'two', port: two } }, { listen: { name: 'one', port: one } }];
    writeFileSync(planFile, JSON.stringify(steps));
    const sockets = [one, two, third].map(String);
    const program = activated('plan.mjs', sockets, { PLAN_FILE: planFile }, 'one:two:third');
    await program.waitFor(/Listening on/);
    expect((await get({ port: one })).body).toBe('one 0');
    expect((await get({ port: two })).body).toBe('two 0');
    // No process accepts there, and none refuses.
    const waiting = net.connect(third, '127.0.0.1');
    await new Promise((resolve, reject) => waiting.once('connect', resolve).once('error', reject));
    waiting.destroy();
    await hup(program);
    expect((await get({ port: one })).body).toBe('one 1');
    expect((await get({ port: two })).body).toBe('two 1');
    expect(newestPid(program)).not.toBe(program.pid);
  });

  test('leaves nothing of itself in the environment', async () => {
    const port = await freePort();
    const program = activated('deployed.mjs', [String(port)], { PORT: String(port) });
    await program.waitFor(/Listening on/);
    const listens = async () => {
      const { env } = JSON.parse((await get({ port })).body) as { env: object };
      return Object.keys(env).filter((name) => name.startsWith('LISTEN_'));
    };
    expect(await listens()).toEqual([]);
    await hup(program);
    expect(await listens()).toEqual([]);
  });

  test('a successor does not take over what was meant for another process', async () => {
    const port = await freePort();
    const program = startProgram(fixture('app.mjs'), {
      env: { PORT: String(port), SETTINGS: '{}', LISTEN_PID: '1', LISTEN_FDS: '1' },
    });
    onTestFinished(() => program.stop());
    await program.waitFor(/listening \d+ 0/);
    await hup(program);
    expect((await get({ port })).body).toBe('generation 1');
    expect(program.stderr).not.toContain('Refused');
  });
});
