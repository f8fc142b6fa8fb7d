import { setTimeout as sleep } from 'node:timers/promises';
import { nodeBinaries, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { getJson, hup, serve, until } from './program.js';

const DEATHS = 20;
const WINDOW = 1_500;
/** The last moment of a death; what is left of the window is for a busy machine. */
const LAST_MOMENT = 1_200;

describe('a successor that dies at any moment of the rollback window', () => {
  for (const { major, path } of nodeBinaries().filter(({ major }) => major === 20 || major === 26))
    test(`refuses no connection, ${DEATHS} times of ${DEATHS}, Node ${major}`, async () => {
      const { program, port } = await serve('app.mjs', { rollbackWindow: WINDOW }, { node: path });
      const loads = [true, false].map((keepAlive) =>
        startLoad({
          port,
          connections: 10,
          mode: keepAlive ? 'keep-alive' : 'new-connection',
          thinkTime: () => 5,
        }),
      );
      for (let death = 1; death <= DEATHS; death += 1) {
        const successor = await hup(program, program.pid);
        await sleep(Math.random() * LAST_MOMENT);
        program.signal('SIGKILL', successor);
        await until(async () => {
          const { failedRestarts } = await getJson<{ failedRestarts: number }>(port, '/stats');
          return failedRestarts === death;
        });
      }
      for (const load of loads) {
        const { lostBy } = await load.stop();
        // The requests of the dead process are lost; no others are.
        expect([...lostBy.keys()].filter((reason) => reason !== 'reset' && reason !== 'ended')).toEqual([]);
      }
      expect(program.stdout).not.toContain(`event committed ${program.pid}`);
      expect(program.pids()).toEqual([program.pid]);
      await hup(program, program.pid);
      await program.waitFor(`event committed ${program.pid}`);
    });
});
