import { execFileSync } from 'node:child_process';
import { describe, rowTest, test } from '@endless/conformance';
import { nodeBinaries, startLoad, testedNodes } from '@endless/testkit';
import { expect } from 'vitest';
import { getJson, hup, serve, until } from './program.js';

interface Failure {
  code: string;
  exitCode: number;
  stderr: string;
}

const binaries = nodeBinaries();

// The binaries are optional packages for this platform; on others the suite runs on its own Node alone.
const everywhere = process.platform === 'linux' && process.arch === 'x64';
const expected = everywhere ? [20, 22, 24, 26] : binaries.map(({ major }) => major);

test('the Node.js versions that are supported are all here to be tested', () => {
  expect(binaries.map(({ major }) => major)).toEqual(expected);
});

test('the `node` of this shell is the one that runs the tests: the packages with other versions do not shadow it', () => {
  expect(execFileSync('node', ['--version'], { encoding: 'utf8' }).trim()).toBe(process.version);
});

for (const { major, version, path: node } of testedNodes())
  describe(`Node ${major}`, () => {
    rowTest('restarts 5 times under strict keep-alive load and loses nothing', async () => {
      const { program, port } = await serve('nosy.mjs', {}, { node });
      const load = startLoad({
        port,
        connections: 20,
        mode: 'keep-alive',
        check: ({ headers }) =>
          headers['x-version'] === `v${version}` ? undefined : `answered by ${headers['x-version']}`,
      });
      for (let restarts = 0, pid = program.pid; restarts < 5; restarts += 1) {
        await until(() => load.answers.has(String(restarts)));
        pid = await hup(program, pid);
      }
      await until(() => load.answers.has('5'));
      const { lost, answers } = await load.stop();
      expect(lost).toEqual([]);
      expect([...answers.keys()].sort()).toEqual(['0', '1', '2', '3', '4', '5']);
      await program.waitForPids(1);
    });

    rowTest('shows a successor no IPC channel, no message and no environment entry of endless', async () => {
      const { program, port } = await serve('nosy.mjs', {}, { node });
      const [early, now] = [await getJson(port, '/early'), await getJson(port, '/now')];
      expect(early).toEqual({
        ipc: [],
        // The program's own two.
        listeners: [1, 1, 0],
        execArgv: [],
        environment: [],
        heard: [],
      });
      expect(now).toEqual(early);
      await hup(program);
      expect(await getJson(port, '/early')).toEqual(early);
      // The old process is gone, which would be a 'disconnect'.
      await program.waitForPids(1);
      expect(await getJson(port, '/now')).toEqual(now);
    });

    rowTest('tells why a restart failed, with the end of its stderr, and restarts afterwards', async () => {
      const { program, port, fault } = await serve('nosy.mjs', {}, { node });
      fault('any');
      const failure = await getJson<Failure>(port, '/restart');
      expect(failure).toMatchObject({ code: 'ERR_ENDLESS_SUCCESSOR_EXITED', exitCode: 1 });
      expect(failure.stderr).toMatch(/^the table is missing\nError: cannot migrate\n/);
      expect(program.pids()).toEqual([program.pid]);
      fault();
      expect(await getJson(port, '/restart')).toMatchObject({ generation: 1 });
      await program.waitForPids(1);
    });
  });
