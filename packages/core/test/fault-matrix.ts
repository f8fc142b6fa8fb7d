import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type Served, type ServeOptions, serve as serveFile } from '@endless/conformance';
import { get, type LoadReport, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { ask, open } from './connection.js';
import { fixture, getJson, hup, temporaryFolder, until } from './program.js';

interface Failure {
  code: string;
  message?: string;
  exitCode?: number | null;
  signal?: string;
  stderr?: string;
}

/** The error that `restart()` rejects with. */
interface Told extends Omit<Failure, 'stderr' | 'message'> {
  message?: RegExp;
  stderr?: RegExp;
}

const EXITED = 'ERR_ENDLESS_SUCCESSOR_EXITED';
const UNCLAIMED = 'ERR_ENDLESS_ADDRESS_UNCLAIMED';
const KILLED = { exitCode: null, signal: 'SIGKILL' };

/** A successor that never becomes ready fails after this time, which such a row waits for twice. */
const NEVER_READY = { startTimeout: 3_000 };

/** The faults of a successor before it takes over. */
const FAULTS: Record<string, Told & { settings?: object }> = {
  throw: { code: EXITED, exitCode: 1, stderr: /no database/ },
  'throw-after-listening': { code: EXITED, exitCode: 1, stderr: /broke after listening/ },
  'exit-0': { code: EXITED, exitCode: 0 },
  'exit-3': { code: EXITED, exitCode: 3, stderr: /cannot read the configuration/ },
  'exit-after-listening': { code: EXITED, exitCode: 5 },
  killed: { code: EXITED, ...KILLED },
  'killed-after-listening': { code: EXITED, ...KILLED },
  idle: { code: UNCLAIMED, ...KILLED, settings: NEVER_READY },
  busy: { code: UNCLAIMED, ...KILLED, settings: NEVER_READY },
  'other-port': { code: UNCLAIMED, ...KILLED, settings: NEVER_READY },
  'shuts-down': { code: EXITED, message: /shut itself down before it was ready/ },
  unhealthy: { code: 'ERR_ENDLESS_UNHEALTHY', ...KILLED },
  'closes-channel': { code: EXITED, ...KILLED },
  'other-version': { code: 'ERR_ENDLESS_PROTOCOL', ...KILLED },
  'out-of-memory': {
    code: EXITED,
    signal: 'SIGABRT',
    settings: { restart: { env: { NODE_OPTIONS: '--max-old-space-size=48' } } },
  },
};

/** Changes to the program's files before a successor starts. */
const DAMAGES: Record<string, { damage(script: string): void; stderr: RegExp }> = {
  'has a syntax error': {
    damage: (script) => writeFileSync(script, 'const = 1;\n'),
    stderr: /SyntaxError/,
  },
  'has lost its script': { damage: (script) => rmSync(script), stderr: /Cannot find module/ },
};

/** Loads with both kinds of connections, and their results. */
function startLoads(port: number) {
  const loads = (['keep-alive', 'new-connection'] as const).map((mode) =>
    startLoad({ port, connections: 10, mode, thinkTime: () => 5 }),
  );
  return {
    answeredBy: (generation: string) => until(() => loads.every(({ answers }) => answers.has(generation))),
    async stop() {
      const reports = await Promise.all(loads.map((load) => load.stop()));
      return {
        lost: reports.flatMap(({ lost }) => lost),
        answers: [...new Set(reports.flatMap(({ answers }) => [...answers.keys()]))].sort(),
      };
    },
  };
}

/** The outcome of a restart that the program begins itself, for which the client waits longer than the program does. */
const restart = <Outcome = object>(port: number) => getJson<Outcome>(port, '/restart', 30_000);

/** Restarts twice in vain, under load, then once for good. */
async function failTwice(
  { program, port }: Served,
  damage: () => void,
  mend: () => void,
): Promise<Failure[]> {
  const descriptors = () => readdirSync(`/proc/${program.pid}/fd`).length;
  // Node.js keeps the files that it has opened once.
  await get({ port });
  await sleep(50);
  const before = descriptors();
  const during = startLoads(port);
  await during.answeredBy('0');
  damage();
  const failures = [await restart<Failure>(port), await restart<Failure>(port)];
  expect(program.pids()).toEqual([program.pid]);
  expect(await getJson(port, '/stats')).toMatchObject({ state: 'running', failedRestarts: 2 });
  expect(await during.stop()).toEqual({ lost: [], answers: ['0'] });
  await until(() => descriptors() <= before);

  mend();
  const after = startLoads(port);
  await after.answeredBy('0');
  expect(await restart(port)).toMatchObject({ generation: 1 });
  await after.answeredBy('1');
  expect(await after.stop()).toEqual({ lost: [], answers: ['0', '1'] });
  await program.waitForPids(1);
  return failures;
}

/** Connections that were not even taken: a process that was killed has taken others with it. */
function notTaken({ lostBy }: LoadReport): number {
  return (lostBy.get('refused') ?? 0) + (lostBy.get('connect-failed') ?? 0) + (lostBy.get('timeout') ?? 0);
}

/** Faults of the new process, and of the old one; on a Node.js binary, by default the one that runs the tests. */
export function faultMatrix(name: string, node?: string): void {
  const settings = { startTimeout: 10_000, rollbackWindow: 0, idleGrace: 200 };
  const serve = (file = fixture('app.mjs'), { env, ...options }: ServeOptions = {}, more: object = {}) =>
    serveFile(file, { ...settings, ...more }, { ...options, ...(node && { node }), ...(env && { env }) });

  describe(`${name}: a restart fails, loses nothing and leaves nothing, when the successor`, () => {
    for (const [fault, { message, stderr, settings: more, ...told }] of Object.entries(FAULTS))
      test(`does this: ${fault}`, async () => {
        const served = await serve(undefined, {}, more);
        const failures = await failTwice(
          served,
          () => served.fault(fault),
          () => served.fault(),
        );
        for (const failure of failures) {
          expect(failure).toMatchObject(told);
          expect(failure.stderr).toContain(`begins to fail: ${fault}`);
          if (message) expect(failure.message).toMatch(message);
          if (stderr) expect(failure.stderr).toMatch(stderr);
        }
      });

    for (const [what, { damage, stderr }] of Object.entries(DAMAGES))
      test(what, async () => {
        const script = path.join(temporaryFolder(), 'server.mjs');
        const whole = `await import(${JSON.stringify(pathToFileURL(fixture('app.mjs')).href)});\n`;
        writeFileSync(script, whole);
        const failures = await failTwice(
          await serve(script),
          () => damage(script),
          () => writeFileSync(script, whole),
        );
        for (const failure of failures) {
          expect(failure).toMatchObject({ code: EXITED, exitCode: 1 });
          expect(failure.stderr).toMatch(stderr);
        }
      });

    test('has lost its interpreter', async () => {
      const interpreter = path.join(temporaryFolder(), 'node');
      const script = () =>
        writeFileSync(interpreter, `#!/bin/sh\nexec '${node ?? process.execPath}' "$@"\n`, { mode: 0o755 });
      script();
      const failures = await failTwice(
        await serve(undefined, {}, { restart: { command: interpreter } }),
        () => rmSync(interpreter),
        script,
      );
      for (const failure of failures) expect(failure).toMatchObject({ code: 'ERR_ENDLESS_SPAWN_FAILED' });
    });
  });

  describe(`${name}: a restart works, and loses nothing, although`, () => {
    /** One restart under load. */
    async function restartOnce({ program, port }: Served): Promise<void> {
      const loads = startLoads(port);
      await loads.answeredBy('0');
      await hup(program);
      await loads.answeredBy('1');
      expect(await loads.stop()).toEqual({ lost: [], answers: ['0', '1'] });
      await program.waitForPids(1);
    }

    test('the successor sends rubbish over the channel', async () => {
      const served = await serve();
      served.fault('rubbish');
      await restartOnce(served);
    });

    test('the disk is full, so that it cannot write the pid file: it logs the failure and leaves no draft', async () => {
      const pidFile = path.join(temporaryFolder(), 'pid');
      const limited = path.join(temporaryFolder(), 'node');
      // A process that may write no file at all fares as on a full disk.
      const program = `#!/bin/sh\nulimit -f 0\nexec '${node ?? process.execPath}' "$@"\n`;
      writeFileSync(limited, program, { mode: 0o755 });
      const served = await serveFile(fixture('app.mjs'), { ...settings, pidFile }, { node: limited });
      await restartOnce(served);
      expect(served.program.stderr.match(/Could not write the pid file/g)?.length).toBeGreaterThan(1);
      expect(readdirSync(path.dirname(pidFile))).toEqual([]);
    });

    for (const stream of ['stdout', 'stderr'] as const)
      test(`no process reads its ${stream} any more`, async () => {
        const pidFile = path.join(temporaryFolder(), 'pid');
        const { program, port } = await serve(undefined, { env: { QUIET: '1' } }, { pidFile });
        const loads = startLoads(port);
        await loads.answeredBy('0');
        program.child[stream]?.destroy();
        for (const generation of ['1', '2']) {
          const pid = Number(readFileSync(pidFile, 'utf8'));
          program.signal('SIGHUP', pid);
          await loads.answeredBy(generation);
          await until(() => existsSync(pidFile) && Number(readFileSync(pidFile, 'utf8')) !== pid);
        }
        expect(await loads.stop()).toEqual({ lost: [], answers: ['0', '1', '2'] });
        await program.waitForPids(1);
      });
  });

  describe(`${name}: an old process that is killed takes only what it held with it`, () => {
    test('before its successor is ready: that becomes the process', async () => {
      const sick = path.join(temporaryFolder(), 'sick');
      const { program, port } = await serve(undefined, { env: { SICK_FILE: sick } });
      const load = startLoad({ port, connections: 10, mode: 'new-connection', thinkTime: () => 5 });
      await until(() => load.answered > 20);
      writeFileSync(sick, '');
      program.signal('SIGHUP');
      const [, successor] = await program.waitFor(/listening (\d+) 1/);
      program.signal('SIGKILL');
      await program.waitFor('takes over once it is ready');
      rmSync(sick);
      await until(() => load.answers.has('1'));
      expect(notTaken(await load.stop())).toBe(0);
      expect(program.pids()).toEqual([Number(successor)]);
      expect(await restart(port)).toMatchObject({ generation: 2 });
    });

    for (const after of [0, 2, 5, 10])
      test(`${after} ms after it began to move its connections: none hangs, the new process serves on`, async () => {
        const { program, port } = await serve(undefined, {}, { rollbackWindow: 1_000 });
        const sockets = await Promise.all(Array.from({ length: 300 }, () => open(port)));
        const load = startLoad({ port, connections: 10, mode: 'new-connection', thinkTime: () => 5 });
        await until(() => load.answered > 20);
        const successor = await hup(program);
        await sleep(after);
        program.signal('SIGKILL');
        await until(() => !program.pids().includes(program.pid));
        const answers = await Promise.all(sockets.map((socket) => ask(socket).catch(() => 'closed')));
        for (const answer of answers) expect(answer).toMatch(/^closed$|x-generation: 1/i);
        await until(() => load.answers.has('1'));
        expect(notTaken(await load.stop())).toBe(0);
        expect(program.pids()).toEqual([successor]);
        expect(await restart(port)).toMatchObject({ generation: 2 });
      });

    test('while it drains: no other process and no client is affected', async () => {
      const { program, port } = await serve();
      const slow = get({ port, path: '/never' });
      await sleep(50);
      const successor = await hup(program);
      await program.waitFor('Listener closed.');
      const loads = startLoads(port);
      await loads.answeredBy('1');
      program.signal('SIGKILL');
      await expect(slow).rejects.toThrow();
      await until(() => !program.pids().includes(program.pid));
      expect(await restart(port)).toMatchObject({ generation: 2 });
      await loads.answeredBy('2');
      expect(await loads.stop()).toEqual({ lost: [], answers: ['1', '2'] });
      await until(() => !program.pids().includes(successor));
    });
  });
}
