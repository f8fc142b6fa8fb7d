import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { longTest, test } from '@endless/conformance';
import { freePort, startProgram } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { BIN, fixture, lines, type Run, run, temporaryFolder, until, workers } from './program.js';

/** The port of the inspector of each process, as the supervisor has logged it. */
function inspectors({ program }: Run): Map<number, number> {
  const found = program.stderr.matchAll(
    /worker \d+ \(pid (\d+)\) has its inspector on ws:\/\/[^/]*:(\d+)\//g,
  );
  return new Map([...found].map(([, pid, port]) => [Number(pid), Number(port)]));
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.destroy());
    socket.once('close', (failed) => resolve(!failed)).on('error', () => {});
  });

test('with `NODE_OPTIONS=--inspect` worker 0 has the port, every other process one of its own, and the supervisor none', async () => {
  const port = await freePort();
  const served = await run('plain.mjs', {
    env: { NODE_OPTIONS: `--inspect=127.0.0.1:${port}` },
    flags: ['--workers', '2'],
  });
  const { program, command } = served;
  await lines(served, /is ready \(2 of 2\)/, 1);
  await until(() => inspectors(served).size === 2);
  const [first] = workers(served) as [number];
  expect(inspectors(served).get(first)).toBe(port);
  expect((await command('restart')).code).toBe(0);
  await until(() => inspectors(served).size === 4);
  const ports = [...inspectors(served).values()];
  expect(new Set(ports).size).toBe(4);
  // The process that had it has gone.
  await program.waitForPids(3);
  expect(await isOpen(port)).toBe(false);
  expect(inspectors(served).has(program.pid)).toBe(false);
  expect(program.stderr).not.toMatch(/Starting inspector on .* failed/);
});

longTest('after a crash worker 0 has the given port again', async () => {
  const port = await freePort();
  const served = await run('plain.mjs', { env: { NODE_OPTIONS: `--inspect-port ${port} --inspect` } });
  await until(() => inspectors(served).size === 1);
  served.program.signal('SIGKILL', workers(served)[0]);
  await until(() => inspectors(served).size === 2);
  expect([...inspectors(served).values()]).toEqual([port, port]);
});

test('a module that `NODE_OPTIONS` preloads does not stop the supervisor', async () => {
  const preload = path.join(temporaryFolder(), 'tracing.cjs');
  // As the documentation of instrumentation shows it.
  writeFileSync(
    preload,
    `
      if (!process.env.ENDLESS_WORKER) {
        process.on('SIGTERM', () => process.exit(9));
        const timer = setInterval(() => {
          if (process.listenerCount('uncaughtException') === 0) return;
          clearInterval(timer);
          throw null;
        }, 5);
      }
    `,
  );
  const { program } = await run('plain.mjs', {
    env: { NODE_OPTIONS: `--require ${preload}` },
    settings: { idleGrace: 0 },
  });
  expect(program.stderr).toContain(`NODE_OPTIONS loads ${preload} into the supervisor too`);
  await program.waitFor('internal error, please report it: null');
  program.signal('SIGTERM');
  expect(await program.exited).toEqual({ code: 0, signal: null });
});

/** As the documentation of deploying shows it. */
const REGISTER = fileURLToPath(new URL('../../core/bundle/register.js', import.meta.url));

longTest('with endless in `NODE_OPTIONS` a SIGHUP is a rolling restart, and a stop ends with 0', async () => {
  const served = await run('endless.mjs', {
    env: { NODE_OPTIONS: `--require ${REGISTER}` },
    flags: ['--workers', '2'],
    settings: { idleGrace: 0 },
  });
  const { program } = served;
  await lines(served, /is ready \(2 of 2\)/, 1);
  const before = workers(served);
  program.signal('SIGHUP');
  await program.waitFor('restart: done', { timeout: 15_000 });
  expect(workers(served).filter((pid) => !before.includes(pid))).toHaveLength(2);
  await program.waitForPids(3);
  program.signal('SIGTERM');
  expect(await program.exited).toEqual({ code: 0, signal: null });
  await program.waitForPids(0);
});

test('a copy of endless in `NODE_OPTIONS` that takes the supervisor for a program is refused', async () => {
  const preload = path.join(temporaryFolder(), 'older.cjs');
  writeFileSync(
    preload,
    "globalThis[Symbol.for('endless.lifecycle')] = { version: '0.0.1', lifecycle: { shared: { surroundings: {} } } };\n",
  );
  const { program } = await run('plain.mjs', {
    env: { NODE_OPTIONS: `--require ${preload}` },
    ready: /(?:)/,
  });
  expect(await program.exited).toEqual({ code: 2, signal: null });
  expect(program.stderr).toContain('NODE_OPTIONS loads @endless/core into the supervisor');
});

test('endless in `NODE_OPTIONS` is refused where it does not know the script as the command', async () => {
  const script = path.join(temporaryFolder(), 'command.mjs');
  const main = pathToFileURL(path.join(path.dirname(BIN), 'index.js'));
  writeFileSync(
    script,
    `import { main } from '${main}';\nprocess.exit(await main(process.argv.slice(2)));\n`,
  );
  const program = startProgram(script, {
    args: ['run', '--control', 'none', fixture('plain.mjs')],
    env: { NODE_OPTIONS: `--require ${REGISTER}`, PORT: '0' },
  });
  onTestFinished(() => program.stop());
  expect(await program.exited).toEqual({ code: 2, signal: null });
  expect(program.stderr).toContain('NODE_OPTIONS loads @endless/core into the supervisor');
});
