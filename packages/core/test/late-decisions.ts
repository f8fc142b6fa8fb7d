import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get } from '@endless/testkit';
import { expect } from 'vitest';
import { hup, type Served, serve, temporaryFolder } from './program.js';

const WINDOW = 700;
/** Past the end of the window, so that its timer is due before anything is read. */
const PAST = 1_200;

/** What happens to the successor while the old process cannot read it. */
export type Fate = 'dies' | 'becomes ill' | 'lives';

interface Case {
  served: Served;
  befall(successor: number): void;
  judge(): Promise<void>;
}

async function start(fate: Fate, node: string): Promise<Case> {
  const sick = path.join(temporaryFolder(), 'sick');
  const settings = { rollbackWindow: WINDOW, migrate: false };
  const served = await serve('moments.mjs', settings, { node, env: { SICK_FILE: sick } });
  const { program, port } = served;
  return {
    served,
    befall(successor) {
      if (fate === 'dies') program.signal('SIGKILL', successor);
      if (fate === 'becomes ill') writeFileSync(sick, '');
    },
    async judge() {
      const stays = fate === 'lives';
      await program.waitFor(`event ${stays ? 'committed' : 'rollback'} ${program.pid}`);
      expect(program.stdout).not.toContain(`event ${stays ? 'rollback' : 'committed'} ${program.pid}`);
      expect((await get({ port })).body).toBe(`generation ${stays ? 1 : 0}`);
    },
  };
}

/** The old process is stopped past the end of the rollback window. */
export async function stoppedPastTheWindow(fate: Fate, node = process.execPath): Promise<void> {
  const { served, befall, judge } = await start(fate, node);
  const successor = await hup(served.program);
  served.program.signal('SIGSTOP');
  befall(successor);
  await sleep(PAST);
  served.program.signal('SIGCONT');
  await judge();
}

/** The old process is blocked past the end of the rollback window, by the end of a request that it holds. */
export async function blockedPastTheWindow(fate: Fate, node = process.execPath): Promise<void> {
  const { served, befall, judge } = await start(fate, node);
  const upload = connect(served.port, '127.0.0.1').on('error', () => {});
  upload.write(`POST /?ms=${PAST + 200} HTTP/1.1\r\nHost: it\r\nContent-Length: 1\r\n\r\n`);
  await sleep(100);
  const successor = await hup(served.program);
  upload.write('x');
  await sleep(50);
  befall(successor);
  await judge();
  upload.destroy();
}
