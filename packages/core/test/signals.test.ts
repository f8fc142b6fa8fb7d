import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { get, type Program } from '@endless/testkit';
import { expect } from 'vitest';
import { endTimed, exitedAt, getJson, hup, loggedAt, newestPid, RawClient, serve, until } from './program.js';

/** The lines of a process of the program, in order: its own, and its events by name. */
function story(program: Program, pid: number): string[] {
  return [...program.stdout.matchAll(/^(?:said (\d+) (.+)|event (\w+) (\d+) .*)$/gm)]
    .filter(([, sayer, , , of]) => Number(sayer ?? of) === pid)
    .map(([, , text, event]) => text ?? `event ${event}`);
}

/** The parts of a story that match, in order. */
function parts(program: Program, pid: number, pattern: RegExp): string[] {
  return story(program, pid).filter((part) => pattern.test(part));
}

/** Sends a signal; resolves, after the exit of the first process, with its status. */
function endBy(program: Program, signal: NodeJS.Signals) {
  program.signal(signal);
  return program.exited;
}

/** A request that is in the hands of the application when this resolves. */
async function ask(program: Program, port: number, path: string) {
  const after = program.stdout.length;
  const answer = get({ port, path, timeout: 20_000 });
  // The test, not the runner, decides whether it is lost.
  answer.catch(() => {});
  await program.waitFor(`asked ${path.split('?', 1)[0]}`, { from: 'stdout', after });
  return { answer };
}

const around = (phase: string, signal: string) => [
  `${phase} ${signal} begins`,
  `${phase} ${signal} ends`,
  `${phase} ${signal} again`,
];

type Counts = Record<NodeJS.Signals, number>;
interface Refusal {
  name: string;
  code: string;
  message: string;
}

describe('hooks run in order of registration, each awaited,', () => {
  test('before and after SIGUSR1, SIGUSR2 and SIGTSTP, and the process serves on', async () => {
    const { program, port } = await serve('hooks.mjs');
    const signals = ['SIGUSR1', 'SIGUSR2', 'SIGTSTP'] as const;
    for (const signal of signals) {
      program.signal(signal);
      await program.waitFor(`post ${signal} again`);
      await program.waitFor(`Received ${signal}.`);
    }
    expect(story(program, program.pid)).toEqual(
      signals.flatMap((signal) => [...around('pre', signal), ...around('post', signal)]),
    );
    expect((await get({ port })).body).toBe('generation 0');
    expect(program.pids()).toEqual([program.pid]);
  });

  rowTest.each(rowsOf(['SIGTERM', 'SIGINT'] as const, (signal) => signal === 'SIGTERM'))(
    'before the drain that %s begins, and after it before the process is gone',
    async (signal) => {
      const { program, port } = await serve('hooks.mjs');
      const { answer } = await ask(program, port, '/slow?ms=700');
      expect(await endBy(program, signal)).toMatchObject({ code: 0, signal: null });
      expect((await answer).body).toBe('generation 0');
      await program.waitFor('exit 0');
      expect(parts(program, program.pid, /^(?!event drained)/)).toEqual([
        'asked /slow',
        ...around('pre', signal),
        'event draining',
        'answered /slow',
        ...around('post', signal),
        'done, terminated',
        'exit 0',
      ]);
    },
  );

  test('before the successor of a SIGHUP is started, and after it at the end of the old process only', async () => {
    const { program, port } = await serve('hooks.mjs');
    const client = new RawClient(port).send('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n');
    await program.waitFor('asked /body');
    const successor = await hup(program);
    await program.waitFor(`event draining ${program.pid}`);
    expect(parts(program, program.pid, /^post/)).toEqual([]);
    expect(await client.send('.').receive(/generation \d$/)).toMatch(/generation 0$/);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await program.waitFor('exit 0');
    expect(parts(program, program.pid, /^(?!event drained)/)).toEqual([
      'asked /body',
      ...around('pre', 'SIGHUP'),
      'event spawned',
      'event handover',
      'event draining',
      'answered /body',
      ...around('post', 'SIGHUP'),
      'done, terminated',
      'exit 0',
    ]);
    expect(story(program, successor)).toEqual([]);
  });

  longTest('also around `restart()`, as for SIGHUP, and around `shutdown()`, as for SIGTERM', async () => {
    const { program, port } = await serve('hooks.mjs');
    await get({ port, path: '/restart' });
    expect(await program.exited).toEqual({ code: 0, signal: null });
    const successor = newestPid(program);
    expect(parts(program, program.pid, /^(pre|post|event spawned)/)).toEqual([
      ...around('pre', 'SIGHUP'),
      'event spawned',
      ...around('post', 'SIGHUP'),
    ]);
    await get({ port, path: '/shutdown' });
    await program.waitForPids(0);
    expect(parts(program, successor, /^(pre|post|event draining)/)).toEqual([
      ...around('pre', 'SIGTERM'),
      'event draining',
      ...around('post', 'SIGTERM'),
    ]);
  });
});

describe('a hook that throws is reported and stops nothing:', () => {
  const bad = (phase: string, signal: string) =>
    serve('bad-hooks.mjs', { idleGrace: 100 }, { env: { FAULT: 'fail', PHASE: phase, SIGNAL: signal } });
  const reports = async (program: Program, phase: string, signal: string) => {
    await program.waitFor(`A ${phase} hook of ${signal} threw: thrown at once`);
    await program.waitFor(`A ${phase} hook of ${signal} threw: thrown later`);
    await program.waitFor('next hook');
  };

  for (const phase of ['pre', 'post'] as const) {
    rowTest.each(rowsOf(['SIGTERM', 'SIGINT'] as const, (signal) => signal === 'SIGTERM'))(
      `${phase} %s, the process stops with status 0`,
      async (signal) => {
        const { program } = await bad(phase, signal);
        expect(await endBy(program, signal)).toMatchObject({ code: 0, signal: null });
        await reports(program, phase, signal);
      },
    );

    test(`${phase} SIGHUP, the restart succeeds`, async () => {
      const { program, port } = await bad(phase, 'SIGHUP');
      await hup(program);
      expect((await get({ port })).body).toBe('generation 1');
      expect(await program.exited).toEqual({ code: 0, signal: null });
      await reports(program, phase, 'SIGHUP');
    });

    rowTest.each(
      rowsOf(['SIGUSR1', 'SIGUSR2', 'SIGTSTP'] as const, (signal) => signal === 'SIGUSR2' && phase === 'pre'),
    )(`${phase} %s, the process serves on`, async (signal) => {
      const { program, port } = await bad(phase, signal);
      program.signal(signal);
      await reports(program, phase, signal);
      expect((await get({ port })).body).toBe('generation 0');
    });
  }
});

test('a post hook is awaited also where nothing that it waits for keeps the process alive', async () => {
  const { program } = await serve(
    'bad-hooks.mjs',
    {},
    { env: { FAULT: 'doze', PHASE: 'post', SIGNAL: 'SIGTERM' } },
  );
  expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: 0, signal: null });
  await program.waitFor('exit 0');
  expect(parts(program, program.pid, /^(next|done)/)).toEqual(['next hook', 'done, terminated']);
});

describe('a hook that never ends is bounded:', () => {
  const hang = (phase: string, signal: string, settings: object) =>
    serve('bad-hooks.mjs', settings, { env: { FAULT: 'hang', PHASE: phase, SIGNAL: signal } });

  test.each(['pre', 'post'])('%s SIGTERM by `hammerTime`', async (phase) => {
    const { program } = await hang(phase, 'SIGTERM', { hammerTime: 500 });
    const began = performance.now();
    const { status, after } = await endTimed(program, 'SIGTERM');
    expect(status.code).toBe(0);
    expect(performance.now() - began).toBeGreaterThan(495);
    expect(after).toBeLessThan(1_000);
  });

  longTest('pre SIGHUP by `startTimeout`, then the restart goes on', async () => {
    const { program, port } = await hang('pre', 'SIGHUP', { startTimeout: 2_000, idleGrace: 100 });
    const began = performance.now();
    program.signal('SIGHUP');
    const sent = Date.now();
    await program.waitFor('event spawned', { from: 'stdout' });
    expect(performance.now() - began).toBeGreaterThan(1_995);
    expect((await loggedAt(program, 'forking')) - sent).toBeLessThan(2_250);
    expect(program.stderr).toContain('A pre hook of SIGHUP has not ended within `startTimeout` (2000 ms)');
    await program.waitFor('event handover', { from: 'stdout' });
    expect((await get({ port })).body).toBe('generation 1');
  });

  test('post SIGHUP by `hammerTime` from the handover', async () => {
    const { program, port } = await hang('post', 'SIGHUP', { hammerTime: 500 });
    const asked = performance.now();
    await hup(program);
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - asked).toBeGreaterThan(495);
    const after = (await exitedAt(program)) - (await loggedAt(program, 'has taken over'));
    expect(after).toBeLessThan(1_000);
    expect((await get({ port })).body).toBe('generation 1');
  });
});

describe('`hook`', () => {
  test('returns an undo, which removes that hook and no other', async () => {
    const { program, port } = await serve('control.mjs');
    for (const name of ['first', 'second', 'third'])
      await get({ port, path: `/hook?phase=pre&signal=SIGUSR2&name=${name}` });
    await get({ port, path: '/undo?name=second' });
    await get({ port, path: '/undo?name=second' });
    program.signal('SIGUSR2');
    await program.waitFor('Force-close ignored: this process is not draining');
    expect(story(program, program.pid)).toEqual(['hook first', 'hook third']);
  });

  test('refuses another signal and another phase by name', async () => {
    const { port } = await serve('control.mjs');
    for (const signal of ['SIGKILL', 'SIGPIPE', 'sigterm', 'toString']) {
      const refusal = await getJson<Refusal>(port, `/hook?phase=pre&signal=${signal}`);
      expect(refusal).toMatchObject({ name: 'EndlessError', code: 'ERR_ENDLESS_UNKNOWN_SIGNAL' });
      expect(refusal.message).toContain(`"${signal}"`);
      expect(refusal.message).toContain('SIGHUP, SIGUSR1, SIGUSR2, SIGINT, SIGTERM, SIGTSTP');
    }
    const refusal = await getJson<Refusal>(port, '/hook?phase=during&signal=SIGTERM');
    expect(refusal).toMatchObject({ name: 'EndlessError', code: 'ERR_ENDLESS_INVALID_OPTION' });
    expect(refusal.message).toContain('"during"');
  });
});

describe('SIGUSR1 and SIGTSTP', () => {
  test('have no listener until a hook asks for one, nor after its undo', async () => {
    const { port } = await serve('control.mjs');
    const counts = (target: string) => getJson<Counts>(port, target);
    const bare = { SIGHUP: 1, SIGUSR1: 0, SIGUSR2: 1, SIGINT: 1, SIGTERM: 1, SIGTSTP: 0 };
    expect(await counts('/')).toEqual(bare);
    expect(await counts('/hook?phase=post&signal=SIGUSR1&name=one')).toEqual({ ...bare, SIGUSR1: 1 });
    expect(await counts('/hook?phase=pre&signal=SIGTSTP&name=two')).toEqual({
      ...bare,
      SIGUSR1: 1,
      SIGTSTP: 1,
    });
    expect(await counts('/hook?phase=pre&signal=SIGTSTP&name=three')).toMatchObject({ SIGTSTP: 1 });
    expect(await counts('/undo?name=two')).toMatchObject({ SIGTSTP: 1 });
    expect(await counts('/undo?name=three')).toMatchObject({ SIGTSTP: 0 });
    expect(await counts('/undo?name=one')).toEqual(bare);
  });

  test("leave SIGUSR1 to Node's inspector without a hook", async () => {
    const { program, port } = await serve('control.mjs', {}, { execArgv: ['--inspect-port=127.0.0.1:0'] });
    program.signal('SIGUSR1');
    await program.waitFor('Debugger listening on');
    expect((await get({ port })).status).toBe(200);
  });
});

describe('the setting `signals`', () => {
  test('makes another signal restart, with the hooks of that signal', async () => {
    const { program, port } = await serve('hooks.mjs', { signals: { SIGUSR2: 'restart' }, idleGrace: 100 });
    program.signal('SIGUSR2');
    await program.waitFor('Received SIGUSR2. forking.');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect((await get({ port })).body).toBe('generation 1');
    expect(parts(program, program.pid, /^(pre|post|event spawned)/)).toEqual([
      ...around('pre', 'SIGUSR2'),
      'event spawned',
      ...around('post', 'SIGUSR2'),
    ]);
  });

  rowTest.each(rowsOf(['SIGHUP', 'SIGUSR1', 'SIGTSTP'] as const, (signal) => signal === 'SIGHUP'))(
    'makes %s shut down',
    async (signal) => {
      const { program } = await serve('control.mjs', { signals: { [signal]: 'shutdown' } });
      expect(await endBy(program, signal)).toMatchObject({ code: 0, signal: null });
    },
  );

  test('makes SIGTERM force-close, which does nothing while nothing shuts down', async () => {
    const { program, port } = await serve('control.mjs', { signals: { SIGTERM: 'hammer' } });
    program.signal('SIGTERM');
    await program.waitFor('Force-close ignored: this process is not draining');
    expect((await get({ port })).status).toBe(200);
  });

  rowTest.each(rowsOf(['SIGHUP', 'SIGUSR2', 'SIGINT', 'SIGTERM'] as const, (signal) => signal === 'SIGTERM'))(
    'leaves %s with `false` to what the system does for it',
    async (signal) => {
      const { program, port } = await serve('control.mjs', { signals: { [signal]: false } });
      expect(await getJson<Counts>(port, '/')).toMatchObject({ [signal]: 0 });
      expect(await endBy(program, signal)).toMatchObject({ code: null, signal });
    },
  );

  test('runs the hooks of a signal that is `false`, and nothing else', async () => {
    const { program, port } = await serve('hooks.mjs', { signals: { SIGTERM: false } });
    program.signal('SIGTERM');
    await program.waitFor('post SIGTERM again');
    expect(story(program, program.pid)).toEqual([...around('pre', 'SIGTERM'), ...around('post', 'SIGTERM')]);
    expect((await get({ port })).body).toBe('generation 0');
  });

  test('can be changed while the process serves', async () => {
    const { program, port } = await serve('control.mjs');
    expect(await getJson<Counts>(port, '/switch?signal=SIGTERM&action=false')).toMatchObject({ SIGTERM: 0 });
    expect(await getJson<Counts>(port, '/switch?signal=SIGTERM&action="shutdown"')).toMatchObject({
      SIGTERM: 1,
    });
    expect(await getJson<Counts>(port, '/switch?signal=SIGTSTP&action="hammer"')).toMatchObject({
      SIGTSTP: 1,
    });
    expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: 0, signal: null });
  });

  test('keeps what a signal does where it is given as undefined', async () => {
    const { program, port } = await serve('control.mjs');
    await get({ port, path: '/switch?signal=SIGTERM' });
    program.signal('SIGTERM');
    await program.waitFor('Waiting for connections to finish...', { timeout: 2_000 });
    expect(await program.exited).toEqual({ code: 0, signal: null });
  });
});

describe('a second SIGTERM or SIGINT', () => {
  rowTest.each(
    rowsOf(
      [
        ['SIGTERM', 'SIGTERM'],
        ['SIGINT', 'SIGINT'],
        ['SIGINT', 'SIGTERM'],
      ] as const,
      (_row, at) => at === 0,
    ),
  )('less than 1 s after the first is the same one: %s, then %s', async (first, second) => {
    const { program, port } = await serve('stop.mjs');
    const { answer } = await ask(program, port, '/slow?ms=700');
    program.signal(first);
    await program.waitFor(`Received ${first}.`);
    await sleep(100);
    program.signal(second);
    expect((await answer).body).toBe('generation 0');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await program.waitFor('exit 0');
    expect(parts(program, program.pid, /^event/)).toEqual(['event draining', 'event drained']);
  });

  rowTest.each(
    rowsOf(
      [
        ['SIGTERM', 'SIGTERM'],
        ['SIGINT', 'SIGTERM'],
        ['SIGTERM', 'SIGINT'],
      ] as const,
      (_row, at) => at === 1,
    ),
  )('at least 1 s after the first force-closes: %s, then %s', async (first, second) => {
    const { program, port } = await serve('stop.mjs');
    const { answer } = await ask(program, port, '/never');
    program.signal(first);
    await program.waitFor(`Received ${first}.`);
    await sleep(1_050);
    const { status, after } = await endTimed(program, second);
    expect(status.code).toBe(1);
    expect(after).toBeLessThan(500);
    await expect(answer).rejects.toThrow();
    await program.waitFor('[STOP - Hammer Time] Forcefully shutting down parent');
  });

  test('force-closes in an old process that drains after a restart, and leaves the newest alone', async () => {
    const { program, port } = await serve('stop.mjs');
    const { answer } = await ask(program, port, '/never');
    const successor = await hup(program);
    program.signal('SIGTERM');
    await program.waitFor(
      `${program.pid} Received SIGTERM. This process drains and exits. Send the signal again to force-close what is left.`,
    );
    await sleep(1_050);
    expect((await endTimed(program, 'SIGTERM')).after).toBeLessThan(500);
    await expect(answer).rejects.toThrow();
    expect((await get({ port })).body).toBe('generation 1');
    expect(program.pids()).toEqual([successor]);
    expect(parts(program, successor, /^event/)).toEqual([]);
  });
});

describe('SIGUSR2', () => {
  test('is ignored with a log line while nothing shuts down', async () => {
    const { program, port } = await serve('stop.mjs');
    const { answer } = await ask(program, port, '/slow?ms=500');
    program.signal('SIGUSR2');
    await program.waitFor('Received SIGUSR2.');
    await program.waitFor('Force-close ignored: this process is not draining');
    expect((await answer).body).toBe('generation 0');
    expect(parts(program, program.pid, /^event/)).toEqual([]);
  });

  test('force-closes while the process shuts down', async () => {
    const { program, port } = await serve('stop.mjs');
    const { answer } = await ask(program, port, '/never');
    program.signal('SIGTERM');
    await program.waitFor('event draining');
    const { status, after } = await endTimed(program, 'SIGUSR2');
    expect(status.code).toBe(1);
    expect(after).toBeLessThan(500);
    await expect(answer).rejects.toThrow();
  });

  longTest('force-closes in the old process after a restart, and not in the new one', async () => {
    const { program, port } = await serve('stop.mjs');
    const { answer } = await ask(program, port, '/never');
    const successor = await hup(program);
    expect((await endTimed(program, 'SIGUSR2')).after).toBeLessThan(500);
    await expect(answer).rejects.toThrow();
    expect((await get({ port })).body).toBe('generation 1');
    expect(program.pids()).toEqual([successor]);
  });
});

describe('no signal is lost', () => {
  longTest('that comes in the moment in which a process becomes the newest', async () => {
    const { program, port } = await serve('stop.mjs', { idleGrace: 100 });
    let pid = program.pid;
    for (let restart = 1; restart <= 12; restart += 1) {
      // Without the look into /proc that `hup` takes: here a millisecond matters.
      process.kill(pid, 'SIGHUP');
      const [, next] = await program.waitFor(new RegExp(`event handover ${pid} .*?"pid":(\\d+)`), {
        timeout: 5_000,
      });
      pid = Number(next);
    }
    expect((await get({ port })).body).toBe('generation 12');
  });

  test('that comes while a hook is added and removed', async () => {
    const { program, port } = await serve('control.mjs');
    await get({ port, path: '/raise-and-hook?signal=SIGUSR2' });
    await program.waitFor('Received SIGUSR2.', { timeout: 2_000 });
    await get({ port, path: '/raise-and-hook?signal=SIGTERM' });
    expect(await Promise.race([program.exited, sleep(3_000)])).toEqual({ code: 0, signal: null });
  });
});

describe('a candidate', () => {
  /** Sends SIGHUP and resolves with the pid of the candidate once that waits behind the gate. */
  async function candidateOf(program: Program): Promise<number> {
    program.signal('SIGHUP');
    const [, pid] = await program.waitFor(/listening (\d+) 1/);
    return Number(pid);
  }

  rowTest.each(rowsOf(['SIGTERM', 'SIGINT'] as const, (signal) => signal === 'SIGTERM'))(
    'that gets %s exits, the restart fails, and the old process serves on',
    async (signal) => {
      const { program, port } = await serve('gated.mjs');
      const candidate = await candidateOf(program);
      program.signal(signal, candidate);
      const [, report] = await program.waitFor(/event failed \d+ (.*)/);
      expect(JSON.parse(report as string)).toMatchObject({
        error: { code: 'ERR_ENDLESS_SUCCESSOR_EXITED', pid: candidate },
      });
      expect(program.pids()).toEqual([program.pid]);
      expect((await get({ port })).body).toBe('generation 0');
      expect(parts(program, program.pid, /^pre/)).toEqual(['pre SIGHUP']);

      const next = program.stdout.length;
      program.signal('SIGHUP');
      const [, second] = await program.waitFor(/listening (\d+) 1/, { from: 'stdout', after: next });
      program.signal('SIGUSR1', Number(second));
      await program.waitFor('event handover');
      expect((await get({ port })).body).toBe('generation 1');
    },
  );

  test('that gets SIGTERM before it has used endless dies of it, and the old process serves on', async () => {
    const { program, port, fault } = await serve('app.mjs');
    fault('idle');
    program.signal('SIGHUP');
    const [, candidate] = await program.waitFor(/event spawned \d+ .*?"pid":(\d+)/);
    // It ignores SIGHUP from the preload on; Node itself must be up for that.
    await until(() => catches(Number(candidate), 'SIGHUP'));
    program.signal('SIGTERM', Number(candidate));
    const [, report] = await program.waitFor(/event failed \d+ (.*)/);
    expect(JSON.parse(report as string)).toMatchObject({
      error: { code: 'ERR_ENDLESS_SUCCESSOR_EXITED', signal: 'SIGTERM' },
    });
    expect((await get({ port })).body).toBe('generation 0');
  });

  test('notes a SIGHUP and does nothing', async () => {
    const { program, port } = await serve('gated.mjs');
    const candidate = await candidateOf(program);
    program.signal('SIGHUP', candidate);
    await program.waitFor(
      `${candidate} Received SIGHUP. This process is still starting, so it ignores the signal.`,
    );
    program.signal('SIGUSR1', candidate);
    await program.waitFor('event handover');
    expect((await get({ port })).body).toBe('generation 1');
    expect(await program.waitForPids(1)).toEqual([candidate]);
    expect(parts(program, candidate, /^(pre|event spawned)/)).toEqual([]);
  });

  longTest('survives a SIGHUP that comes before it has used endless', async () => {
    const { program, fault } = await serve('app.mjs', { startTimeout: 3_000 });
    fault('idle');
    program.signal('SIGHUP');
    const [, candidate] = await program.waitFor(/event spawned \d+ .*?"pid":(\d+)/);
    await until(() => catches(Number(candidate), 'SIGHUP'));
    program.signal('SIGHUP', Number(candidate));
    const [, report] = await program.waitFor(/event failed \d+ (.*)/);
    expect(JSON.parse(report as string)).toMatchObject({
      error: { code: 'ERR_ENDLESS_ADDRESS_UNCLAIMED', exitCode: null, signal: 'SIGKILL' },
    });
  });

  test('is killed when the old process gets SIGTERM, which then shuts down as before', async () => {
    const { program, port } = await serve('gated.mjs');
    const { answer } = await ask(program, port, '/slow?ms=2000');
    const candidate = await candidateOf(program);
    program.signal('SIGTERM');
    await program.waitFor('Listener closed.');
    await until(() => !program.pids().includes(candidate));
    expect(program.pids()).toEqual([program.pid]);
    await refusesConnections(port);
    expect((await answer).body).toBe('generation 0');
    expect(await program.exited).toEqual({ code: 0, signal: null });
    await program.waitFor('exit 0');
    expect(parts(program, program.pid, /^(pre|event (draining|failed|handover))/)).toEqual([
      'pre SIGHUP',
      'pre SIGTERM',
      'event draining',
    ]);
    expect(story(program, candidate)).toEqual([]);
  });
});

describe('endless leaves the process alone', () => {
  interface Stage {
    signals: string[];
    watching: number;
    events: string[];
  }
  const stageOf = async (program: Program, name: string) =>
    JSON.parse((await program.waitFor(new RegExp(`stage ${name} (.*)`)))[1] as string) as Stage;
  const defaults = ['SIGHUP', 'SIGUSR2', 'SIGINT', 'SIGTERM'];

  test('when it is only imported', async () => {
    const { program } = await serve('stages.mjs');
    const before = await stageOf(program, 'before');
    expect(before).toMatchObject({ signals: [], watching: 0 });
    expect(await stageOf(program, 'imported')).toEqual(before);
  });

  test('with signals until the first server listens, and again after the application closed its last', async () => {
    const { program } = await serve('stages.mjs', {}, { env: { AGAIN: '1' } });
    expect(await stageOf(program, 'used')).toMatchObject({ signals: [], watching: 2 });
    expect(await stageOf(program, 'first-listens')).toMatchObject({ signals: defaults, watching: 2 });
    expect(await stageOf(program, 'second-listens')).toMatchObject({ signals: defaults, watching: 2 });
    expect(await stageOf(program, 'first-closed')).toMatchObject({ signals: defaults, watching: 2 });
    expect(await stageOf(program, 'all-closed')).toMatchObject({ signals: [], watching: 0 });
    expect(await stageOf(program, 'listens-again')).toMatchObject({ signals: defaults, watching: 2 });
    expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: 0, signal: null });
    await program.waitFor('hook');
  });

  test('so that SIGTERM ends it at once after the application closed its last server', async () => {
    const { program } = await serve('stages.mjs');
    expect(await endBy(program, 'SIGTERM')).toMatchObject({ code: null, signal: 'SIGTERM' });
    expect(program.stdout).not.toContain('hook');
  });
});

/** Whether a process has a handler for a signal, as the kernel reports it. */
function catches(pid: number, signal: 'SIGHUP'): boolean {
  const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return Boolean((BigInt(`0x${caught}`) >> BigInt(constants.signals[signal] - 1)) & 1n);
}

/** Waits until no process listens; a killed one holds its sockets a moment longer than its entry in /proc. */
async function refusesConnections(port: number): Promise<void> {
  await until(async () => {
    const outcome = await get({ port }).then(
      ({ body }) => body,
      ({ code }: NodeJS.ErrnoException) => code,
    );
    expect(outcome).toMatch(/^ECONN/);
    return outcome === 'ECONNREFUSED';
  }, 1_000);
}
