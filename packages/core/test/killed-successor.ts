import { startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { ask, open } from './connection.js';
import { serve, until } from './program.js';

/**
 * Kills a successor at the moment at which so many connections have come to it, of 260 idle and 40 busy ones: none hangs,
 * no more than those end, and the old process serves all others again.
 */
export async function killedAfter(moves: number, node: string = process.execPath): Promise<void> {
  // Long enough for a slow start: the old process rolls back only within the window.
  const { program, port } = await serve(
    'connections.mjs',
    { rollbackWindow: 2_000 },
    { node, env: { DIE_AFTER: String(moves) } },
  );
  const idle = await Promise.all(Array.from({ length: 260 }, () => open(port)));
  const load = startLoad({ port, connections: 40, mode: 'keep-alive' });
  await until(() => load.answered > 500);
  program.signal('SIGHUP');
  await program.waitFor('Rolled back');
  const answers = await Promise.all(idle.map((socket) => ask(socket).catch(() => 'closed')));
  const closed = answers.filter((answer) => answer === 'closed');
  for (const answer of answers) if (answer !== 'closed') expect(answer).toMatch(/x-generation: 0/i);
  const answered = load.answered;
  await until(() => load.answered > answered + 500);
  const { lost } = await load.stop();
  // Only the requests that the successor held at its death are lost. A hanging request would be a timeout.
  for (const { reason } of lost) expect(['reset', 'ended']).toContain(reason);
  expect(closed.length + lost.length).toBeLessThanOrEqual(moves);
  expect(program.pids()).toEqual([program.pid]);
}
