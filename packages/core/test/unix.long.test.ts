import { statSync } from 'node:fs';
import path from 'node:path';
import { get, nodeBinaries, type Program, startProgram } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { fixture, temporaryFolder } from './program.js';

const LISTENING = /listening \d+ 0/;

function start(file: string, node: string): Program {
  const program = startProgram(fixture('app.mjs'), {
    node,
    env: { ADDRESS: `unix:${file}`, SETTINGS: '{"idleGrace":100}' },
  });
  onTestFinished(() => program.stop());
  return program;
}

describe.each(nodeBinaries().filter(({ major }) => major === 20 || major === 26))(
  'on Node $version',
  ({ path: node }) => {
    test('a unix socket that a crash has left makes way for exactly one of six starters, 20 times', async () => {
      const file = path.join(temporaryFolder(), 'app.sock');
      let [winner] = [start(file, node)];
      await winner.waitFor(LISTENING);
      for (let round = 0; round < 20; round += 1) {
        winner.signal('SIGKILL');
        await winner.waitForPids(0);
        expect(statSync(file).isSocket()).toBe(true);
        const starters = Array.from({ length: 6 }, () => start(file, node));
        const ends = await Promise.all(
          starters.map((program) =>
            Promise.race([program.waitFor(LISTENING).then(() => true), program.exited.then(() => false)]),
          ),
        );
        expect(ends.filter(Boolean)).toHaveLength(1);
        winner = starters[ends.indexOf(true)] as Program;
        expect((await get({ socketPath: file })).headers['x-pid']).toBe(String(winner.pid));
        for (const program of starters)
          if (program !== winner) expect(program.stderr).toContain('EADDRINUSE');
      }
    });
  },
);
