import net from 'node:net';
import { describe, inLongSuite, rowsOf, rowTest, test } from '@endless/conformance';
import { freePort, nodeBinaries, startLoad, testedNodes } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { hup, serve, until } from './program.js';

const HOSTS: Record<string, string | undefined> = {
  'one host after the other': undefined,
  'every address of the machine, unreferenced': '127.0.0.1',
  'all hosts at once': 'localhost',
  'an HTTP server, closed after its event': undefined,
  'a check that is open for a while': '127.0.0.1',
  'one host of another family': '127.0.0.1',
};

for (const { major, version, path: node } of inLongSuite ? nodeBinaries() : testedNodes())
  describe(`a program that looks for a free port keeps its own over a restart (Node ${major}):`, () => {
    const ofDefault = (at: number) => at < 3 && version === process.versions.node;
    for (const [way, host] of rowsOf(Object.entries(HOSTS), (_row, at) => ofDefault(at)))
      rowTest(way, async () => {
        const { program, port } = await serve(
          'checks.mjs',
          { rollbackWindow: 100, startTimeout: 3_000 },
          { node, env: { WAY: way, HOST: host } },
        );
        const where = host === 'localhost' ? { port, host } : { port };
        const load = startLoad({ ...where, connections: 4, mode: 'new-connection', thinkTime: () => 5 });
        await until(() => load.answers.has('0'));
        await hup(program);
        await until(() => load.answers.has('1'));
        const { lost } = await load.stop();
        expect(lost).toEqual([]);
        expect(program.stdout).not.toContain('taken');
        expect(
          program.stdout.match(/listening \d+ \d on \d+/g)?.map((line) => line.replace(/ \d+ /, ' ')),
        ).toEqual([0, 1].map((generation) => `listening ${generation} on ${port}`));
      });
  });

test('a check finds the port of another program taken, and one on which its own process serves', async () => {
  const other = net.createServer();
  await new Promise<void>((resolve) => other.listen(0, resolve));
  onTestFinished(() => void other.close());
  const { port: taken } = other.address() as net.AddressInfo;
  const { program } = await serve(
    'checks.mjs',
    { rollbackWindow: 100 },
    { env: { WAY: 'one host after the other', TAKEN_PORT: String(taken) } },
  );
  await hup(program);
  await until(() => program.stdout.match(/its own/g)?.length === 2);
  expect(program.stdout.match(/another program's: .*/g)).toEqual(
    Array(2).fill("another program's: EADDRINUSE"),
  );
  expect(program.stdout.match(/its own: .*/g)).toEqual(Array(2).fill('its own: EADDRINUSE'));
});

test('a server that stays where the old process is in the way gets EADDRINUSE, and the restart fails', async () => {
  const { program } = await serve(
    'checks.mjs',
    { startTimeout: 10_000 },
    { env: { WAY: 'one host after the other', HOST: '127.0.0.1', STAYS_ON: '0.0.0.0' } },
  );
  program.signal('SIGHUP');
  await program.waitFor(/failed ERR_ENDLESS_SUCCESSOR_EXITED/, { timeout: 8_000 });
  expect(program.stdout).toMatch(/listen EADDRINUSE: address already in use 0\.0\.0\.0:\d+/);
  expect(program.pids()).toEqual([program.pid]);
});

test('a plain server that serves no connection is counted after a moment', async () => {
  // A server that looks like a check may be a lock: one port that only one process of a kind holds.
  const lock = await freePort();
  const { program } = await serve('lock.mjs', { rollbackWindow: 100 }, { env: { LOCK: String(lock) } });
  await hup(program);
  await program.waitFor(/holds \d+ 1/);
});
