import { nodeBinaries, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { hup, serve, until } from './program.js';

const RESTARTS = 20;

describe.each(nodeBinaries())('on Node $version', ({ path: node }) => {
  for (const mode of ['keep-alive', 'new-connection'] as const)
    test(`${RESTARTS} restarts under strict ${mode} load of 50 clients lose no request`, async () => {
      const { program, port } = await serve('app.mjs', { idleGrace: 500 }, { node });
      const load = startLoad({ port, connections: 50, mode });
      await until(() => load.answers.has('0'));
      for (let restart = 0; restart < RESTARTS; restart += 1) await hup(program);
      await until(() => load.answers.has(String(RESTARTS)));
      const { lost, answers, opened } = await load.stop();
      expect(lost).toEqual([]);
      expect([...answers.keys()].map(Number).sort((a, b) => a - b)).toEqual([...Array(RESTARTS + 1).keys()]);
      if (mode === 'keep-alive') expect(opened).toBe(50);
    });
});
