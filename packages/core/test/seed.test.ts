import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { freePort, get, type Program, startLoad, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { fixture, getJson, hup, RawClient, serve, temporaryFolder, until } from './program.js';

/** The lines that a process has printed of itself, in order. */
function story(program: Program, pid: number): string[] {
  return [...program.stdout.matchAll(/^said (\d+) (.+)$/gm)]
    .filter(([, sayer]) => Number(sayer) === pid)
    .map(([, , text]) => text as string);
}

/** The log lines of a process, without the time. */
function log(program: Program, pid: number): string[] {
  return [...program.stderr.matchAll(/^\S+ endless (\d+) (.+)$/gm)]
    .filter(([, sayer]) => Number(sayer) === pid)
    .map(([, , text]) => text as string);
}

/** The process that answers now. */
async function generationAt(port: number): Promise<string | undefined> {
  const { headers } = await get({ port });
  return headers['x-generation'] as string | undefined;
}

describe("the seed's walk-through: five requests, one after the other, and a SIGHUP in the fourth, which is slow", () => {
  /** The answers, and the process that answered the fourth request, or its error. */
  async function walk(program: Program, port: number): Promise<string[]> {
    const answers: string[] = [];
    for (let seq = 1; seq <= 5; seq += 1) {
      // Only the fourth has to be slow.
      const path = seq === 4 ? '/ping?seq=4' : `/ping?seq=${seq}&ms=50`;
      const answer = get({ port, path, timeout: 10_000 }).then(
        ({ body, headers }) => `${body} by ${headers['x-generation']}`,
        (error: NodeJS.ErrnoException) => `${seq} failed: ${error.code}`,
      );
      if (seq === 4) {
        await program.waitFor('ping 4');
        await hup(program);
      }
      answers.push(await answer);
    }
    return answers;
  }

  longTest(
    'a `hammerTime` below the time of the handler costs exactly that request, and the new process answers the next',
    async () => {
      const { program, port } = await serve('pong.mjs', { hammerTime: 1_000 }, { env: { DELAY: '8000' } });
      expect(await walk(program, port)).toEqual([
        'pong-1 by 0',
        'pong-2 by 0',
        'pong-3 by 0',
        '4 failed: ECONNRESET',
        'pong-5 by 1',
      ]);
      expect(log(program, program.pid)).toEqual([
        expect.stringMatching(/^serving on .*:\d+, generation 0$/),
        'Received SIGHUP. forking.',
        expect.stringMatching(/^pid \d+, generation 1, has taken over\.$/),
        'Waiting for connections to finish...',
        expect.stringMatching(/:\d+ Listener closed\.$/),
        '[STOP - Hammer Time] Forcefully shutting down parent',
        expect.stringMatching(/^Force-closed: 1 request \(GET \/ping\b[^?]*; connections: 1 active$/),
        'Serve() returning...',
      ]);
    },
  );

  test('a `hammerTime` above the time of the handler costs no request', async () => {
    const { program, port } = await serve('pong.mjs', { hammerTime: 10_000 }, { env: { DELAY: '700' } });
    expect(await walk(program, port)).toEqual([
      'pong-1 by 0',
      'pong-2 by 0',
      'pong-3 by 0',
      'pong-4 by 0',
      'pong-5 by 1',
    ]);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(log(program, program.pid)).toEqual([
      expect.stringMatching(/^serving on .*:\d+, generation 0$/),
      'Received SIGHUP. forking.',
      expect.stringMatching(/^pid \d+, generation 1, has taken over\.$/),
      'Waiting for connections to finish...',
      expect.stringMatching(/:\d+ Listener closed\.$/),
      'Serve() returning...',
    ]);
  });
});

describe('`beforeBegin` gets the address as given, once before each process accepts:', () => {
  const forms: Record<string, (port: number) => string | number> = {
    port: (port) => port,
    "':port'": (port) => `:${port}`,
    "'host:port'": (port) => `127.0.0.1:${port}`,
    "'localhost:port'": (port) => `localhost:${port}`,
  };
  rowTest.each(rowsOf(Object.entries(forms), ([form]) => form === 'port'))('%s', async (_form, addressOf) => {
    const port = await freePort();
    const address = addressOf(port);
    const host = String(address).startsWith('localhost') ? 'localhost' : '127.0.0.1';
    const env = { ADDRESS: JSON.stringify(address), DELAY: '0' };
    const { program } = await serve('pong.mjs', {}, { env });
    const load = startLoad({ port, host, connections: 10, mode: 'new-connection', check: begun });
    const second = await hup(program);
    const third = await hup(program, second);
    await until(() => load.answers.has('2'));
    const { lost } = await load.stop();
    expect(lost).toEqual([]);
    for (const pid of [program.pid, second, third])
      expect(story(program, pid).filter((part) => part.startsWith('before'))).toEqual([
        `before begin ${JSON.stringify(address)}, init`,
      ]);
  });

  function begun({ headers }: { headers: Record<string, string> }): string | undefined {
    return headers['x-begun'] === 'true' ? undefined : 'accepted before `beforeBegin`';
  }
});

describe('`pidFile`', () => {
  test('names the newest process, whole at every moment, and goes with the last', async () => {
    const pidFile = path.join(temporaryFolder(), 'app.pid');
    const { program, port } = await serve(
      'pong.mjs',
      { pidFile, idleGrace: 100 },
      { env: { DELAY: '1200' } },
    );
    const seen = new Set<string>();
    const read = () => {
      const text = readFileSync(pidFile, 'utf8');
      seen.add(text);
      return text;
    };
    const look = setInterval(read, 1);
    onTestFinished(() => clearInterval(look));
    expect(read()).toBe(`${program.pid}\n`);

    const slow = get({ port, path: '/ping?seq=1' });
    await program.waitFor('ping 1');
    const second = await hup(program);
    await until(() => read() === `${second}\n`, 1_000);
    expect(program.pids()).toContain(program.pid);
    expect((await slow).body).toBe('pong-1');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(read()).toBe(`${second}\n`);

    const third = await hup(program, second);
    await until(() => read() === `${third}\n`, 1_000);
    expect(await program.waitForPids(1)).toEqual([third]);
    expect(read()).toBe(`${third}\n`);
    clearInterval(look);
    expect([...seen]).toEqual([program.pid, second, third].map((pid) => `${pid}\n`));

    program.signal('SIGTERM', third);
    await program.waitForPids(0);
    expect(() => readFileSync(pidFile)).toThrow('ENOENT');
  });

  test('goes on naming the old process while a candidate starts, and after it failed', async () => {
    const pidFile = path.join(temporaryFolder(), 'app.pid');
    const { program } = await serve('gated.mjs', { pidFile });
    program.signal('SIGHUP');
    const [, candidate] = await program.waitFor(/listening (\d+) 1/);
    expect(readFileSync(pidFile, 'utf8')).toBe(`${program.pid}\n`);
    program.signal('SIGTERM', Number(candidate));
    await program.waitFor('event failed');
    expect(readFileSync(pidFile, 'utf8')).toBe(`${program.pid}\n`);
  });

  test('is gone when the process ends by `process.exit`', async () => {
    const pidFile = path.join(temporaryFolder(), 'app.pid');
    const { program } = await serve('pong.mjs', { pidFile, hammerTime: 0 });
    program.signal('SIGTERM');
    await program.exited;
    expect(() => readFileSync(pidFile)).toThrow('ENOENT');
  });
});

describe('what the seed gets wrong is right:', () => {
  longTest('every server is served by the old process until all are up in the new one', async () => {
    const secondPort = await freePort();
    const { program, port } = await serve(
      'two-servers.mjs',
      {},
      { env: { SECOND_PORT: String(secondPort) } },
    );
    const options = { connections: 10, mode: 'new-connection' } as const;
    const loads = [startLoad({ port, ...options }), startLoad({ port: secondPort, ...options })];
    program.signal('SIGHUP');
    const [, spawned] = await program.waitFor(/event spawned \d+ .*?"pid":(\d+)/);
    const successor = Number(spawned);
    await program.waitFor(`said ${successor} first listens`);
    for (const end = performance.now() + 1_000; performance.now() < end; await sleep(20))
      expect(await Promise.all([generationAt(port), generationAt(secondPort)])).toEqual(['0', '0']);
    program.signal('SIGUSR1', successor);
    await program.waitFor('event handover');
    await until(() => loads.every((load) => load.answers.has('1')));
    expect(await Promise.all([generationAt(port), generationAt(secondPort)])).toEqual(['1', '1']);
    for (const load of loads) expect((await load.stop()).lost).toEqual([]);
  });

  test('a successor that fails does not prevent the next restart, leaves no zombie and no deaf process', async () => {
    const { program, port, fault } = await serve('app.mjs', { idleGrace: 100 });
    fault('throw');
    for (let failures = 1; failures <= 2; failures += 1) {
      const after = program.stdout.length;
      program.signal('SIGHUP');
      await program.waitFor('event failed', { from: 'stdout', after });
      expect(childrenOf(program.pid)).toEqual([]);
    }
    expect((await get({ port })).body).toBe('generation 0');
    fault();
    const second = await hup(program);
    expect(await generationAt(port)).toBe('1');

    fault('throw');
    program.signal('SIGHUP', second);
    await program.waitFor(`event failed ${second}`);
    program.signal('SIGTERM', second);
    await program.waitForPids(0, 3_000);
  });

  test('a successor that cannot be started does not end the process', async () => {
    const { program, port } = await serve('app.mjs', { restart: { command: '/no/such/program' } });
    program.signal('SIGHUP');
    await program.waitFor('event failed');
    await program.waitFor('/no/such/program', { from: 'stderr' });
    expect((await get({ port })).body).toBe('generation 0');
    program.signal('SIGHUP');
    await until(async () => (await getJson<{ failedRestarts: number }>(port, '/stats')).failedRestarts === 2);
    expect(program.pids()).toEqual([program.pid]);
  });

  longTest(
    'a successor sends no signal, neither to the old process nor to the one that started it',
    async () => {
      const heard: NodeJS.Signals[] = [];
      const signals = ['SIGHUP', 'SIGINT', 'SIGTERM', 'SIGUSR2'] as const;
      for (const signal of signals) {
        const listener = () => void heard.push(signal);
        process.on(signal, listener);
        onTestFinished(() => void process.off(signal, listener));
      }
      const { program, port } = await serve('hooks.mjs', { idleGrace: 100 });
      const second = await hup(program);
      const third = await hup(program, second);
      expect(await program.waitForPids(1)).toEqual([third]);
      expect((await get({ port })).body).toBe('generation 2');
      expect(await program.exited).toEqual({ code: 0, signal: null });
      for (const [pid, hooks] of [
        [program.pid, 6],
        [second, 6],
        [third, 0],
      ] as const) {
        const heardThere = story(program, pid).filter((part) => /^(pre|post)/.test(part));
        expect(heardThere.filter((part) => !part.includes('SIGHUP'))).toEqual([]);
        expect(heardThere).toHaveLength(hooks);
      }
      expect(heard).toEqual([]);
    },
  );

  test('neither the environment nor the sockets leak to a program that the new process starts', async () => {
    interface Told {
      generation: number;
      env: string[];
      grandchild: { generation: number; env: string[] };
      descriptors: string;
    }
    // The marker by which the testkit finds its processes is the only name of that kind here.
    const ours = (names: string[]) =>
      names.filter((name) => /^ENDLESS_(?!TEST_ID$)|^NODE_CHANNEL/.test(name));
    const { program, port } = await serve('parent.mjs');
    const before = await getJson<Told>(port, '/');
    await hup(program);
    const after = await getJson<Told>(port, '/');
    expect(after).toMatchObject({ generation: 1, grandchild: { generation: 0 } });
    expect(ours(after.env)).toEqual([]);
    expect(ours(after.grandchild.env)).toEqual([]);
    expect(after.grandchild.env.sort()).toEqual(before.grandchild.env.sort());
    expect(after.descriptors).not.toMatch(/ ([3-9]|\d\d+) -> socket:/);
  });

  test('a clean stop is no error: status 0 and nothing on stderr but what happens', async () => {
    const { program, port } = await serve('pong.mjs', {}, { env: { DELAY: '0' } });
    expect((await get({ port })).body).toBe('pong');
    program.signal('SIGTERM');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await program.waitFor('Serve() returning...');
    expect(program.stderr.trimEnd().split('\n')).toHaveLength(5);
    expect(log(program, program.pid)).toEqual([
      expect.stringMatching(/^serving on .*:\d+, generation 0$/),
      'Received SIGTERM.',
      'Waiting for connections to finish...',
      expect.stringMatching(/:\d+ Listener closed\.$/),
      'Serve() returning...',
    ]);
  });

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'the post hooks of %s run to their end at exit, of an idle process too',
    async (signal) => {
      const { program } = await serve('hooks.mjs');
      program.signal(signal);
      expect(await program.exited).toEqual({ code: 0, signal: null });
      await program.waitFor('exit 0');
      expect(story(program, program.pid).slice(-5)).toEqual([
        `post ${signal} begins`,
        `post ${signal} ends`,
        `post ${signal} again`,
        'done, terminated',
        'exit 0',
      ]);
    },
  );

  test.each([
    ['before it listens', 'listen'],
    ['in its `beforeBegin` hook', 'begin'],
  ])('a SIGTERM while the first process is starting, %s, ends it', async (_when, before) => {
    const port = await freePort();
    const program = startProgram(fixture('starting.mjs'), { env: { PORT: String(port), BEFORE: before } });
    onTestFinished(() => program.stop());
    await program.waitFor('starting');
    program.signal('SIGTERM');
    const began = performance.now();
    expect(await program.exited).toEqual({ code: null, signal: 'SIGTERM' });
    expect(performance.now() - began).toBeLessThan(500);
  });

  longTest('stdin is still read after a restart', async () => {
    const { program, port } = await serve('reader.mjs', {}, { stdin: 'pipe' });
    // The old process has to live until the test has written: Node closes its end of the pipe with the child.
    const client = new RawClient(port).send('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n');
    await program.waitFor('asked /body');
    const successor = await hup(program);
    for (const line of ['first line', 'second line']) {
      program.child.stdin?.write(`${line}\n`);
      await program.waitFor(`said ${successor} read ${line}`, { timeout: 1_000 });
    }
    expect(await client.send('.').receive(/generation \d$/)).toMatch(/generation 0$/);
    expect((await get({ port })).body).toBe('generation 1');
  });
});

/** The children that a process has not been rid of yet, living or not. */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number);
}
