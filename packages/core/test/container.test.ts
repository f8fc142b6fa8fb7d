import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, longTest, rowTest, test } from '@endless/conformance';
import { testedNodes } from '@endless/testkit';
import { expect } from 'vitest';
import { fixture, temporaryFolder } from './program.js';

const unshare = ['--pid', '--fork', '--kill-child', '--mount-proc'];
const canUnshare = spawnSync('unshare', [...unshare, 'true']).status === 0;

interface Run {
  output: string;
  status: number | null;
}

/** Runs a program in a pid namespace of its own, below this command, for 15 s at most. */
function inNamespace(command: string[], { env = {}, cwd }: { env?: object; cwd?: string } = {}): Run {
  const { stdout, status } = spawnSync(
    'timeout',
    ['--signal=KILL', '15', 'unshare', ...unshare, ...command],
    {
      encoding: 'utf8',
      cwd,
      env: { ...process.env, SETTINGS: '{"logger":false,"rollbackWindow":100}', ...env },
    },
  );
  return { output: stdout, status };
}

const program = [process.execPath, fixture('in-container.mjs')];

describe.skipIf(!canUnshare)('where its exit would end the container (needs unshare and root)', () => {
  for (const stop of ['call', 'signal']) {
    test(`a restart of pid 1 is refused, and it shuts down gracefully, by ${stop}`, () => {
      const { output, status } = inNamespace(program, { env: { STOP: stop } });
      expect(output).toBe('pid 1\nERR_ENDLESS_PID_1\nanswered\ndone\n');
      expect(status).toBe(0);
    });

    test(`likewise of the child of a shell that is pid 1 and waits, by ${stop}`, () => {
      const { output } = inNamespace(['sh', '-c', `${program.join(' ')}; true`], { env: { STOP: stop } });
      expect(output).toBe('pid 2\nERR_ENDLESS_PID_1\nanswered\ndone\n');
    });
  }

  for (const { major, path: node } of testedNodes())
    rowTest(`likewise of the child of a Node.js program (${major}) that waits for it`, () => {
      const wait = `require('node:child_process').spawn(process.execPath, ['${fixture('in-container.mjs')}'], { stdio: 'inherit' })`;
      const { output } = inNamespace([node, '-e', wait]);
      expect(output).toMatch(/^pid \d+\nERR_ENDLESS_PID_1\nanswered\ndone\n/);
    });

  longTest('likewise of the child of npm', () => {
    const cwd = temporaryFolder();
    const manifest = { name: 'app', private: true, scripts: { start: `exec ${program.join(' ')}` } };
    writeFileSync(path.join(cwd, 'package.json'), JSON.stringify(manifest));
    const { output } = inNamespace(['npm', 'start', '--silent'], { cwd, env: { STOP: 'signal' } });
    expect(output).toMatch(/^pid \d+\nERR_ENDLESS_PID_1\nanswered\ndone\n/);
  });

  longTest('a restart below a supervisor that stays is not refused', () => {
    // The shell that is pid 1 waits for another shell, which stays when the first process has exited.
    const { output } = inNamespace(['sh', '-c', `sh -c "${program.join(' ')}; sleep 3"; true`]);
    expect(output).toMatch(/^pid \d+\n\{ pid: \d+, generation: 1,/);
  });
});
