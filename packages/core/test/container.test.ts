import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { fixture } from './program.js';

const unshare = ['--pid', '--fork', '--kill-child', '--mount-proc'];
const canUnshare = spawnSync('unshare', [...unshare, 'true']).status === 0;

/** Runs a program in a pid namespace of its own, below this command, for 10 s at most. */
function inNamespace(...command: string[]): string {
  const { stdout } = spawnSync('timeout', ['--signal=KILL', '10', 'unshare', ...unshare, ...command], {
    encoding: 'utf8',
    env: { ...process.env, SETTINGS: '{"logger":false}' },
  });
  return stdout;
}

describe.skipIf(!canUnshare)('where its exit would end the container (needs unshare and root)', () => {
  test('a restart of pid 1 is refused, and it shuts down gracefully', () => {
    expect(inNamespace(process.execPath, fixture('in-container.mjs'))).toMatch(
      /^pid 1\nERR_ENDLESS_PID_1\ndone\n/,
    );
  });

  test('a restart of the child of a shell that is pid 1 and waits is refused', () => {
    const output = inNamespace('sh', '-c', `${process.execPath} ${fixture('in-container.mjs')}; true`);
    expect(output).toMatch(/^pid 2\nERR_ENDLESS_PID_1\ndone\n/);
  });
});
