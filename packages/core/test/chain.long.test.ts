import { setTimeout as sleep } from 'node:timers/promises';
import { nodeBinaries } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { handedOn, type Killed } from './handed-on.js';
import { hup, newestPid, RawClient, serve } from './program.js';
import { seedsFrom } from './random.js';

const SEEDS = seedsFrom('HAND_ON_SEEDS', 7);

describe.each<Killed>(['no process', 'the one between', 'the newest'])(
  'connections complete their requests while a channel is handed on and %s is killed',
  (killed) => {
    for (const seed of SEEDS) test(`seed ${seed}`, () => handedOn(seed, killed));
  },
);

type Process = 'oldest' | 'between' | 'newest';

describe('half a request is completed and answered although, while its channel is handed on,', () => {
  test.each<{ stopped: Process; killed: Process; next: RegExp }>([
    // The channel is on its way: it arrives, and its connection moves.
    { stopped: 'newest', killed: 'between', next: /generation 2$/ },
    // It has arrived nowhere.
    { stopped: 'newest', killed: 'newest', next: /^closed$/ },
    { stopped: 'oldest', killed: 'between', next: /^closed$/ },
    // Only the process between is left to move to.
    { stopped: 'oldest', killed: 'newest', next: /^closed$|generation 1$/ },
  ])('the $stopped process stands still and the $killed is killed', async ({ stopped, killed, next }) => {
    const { program, port } = await serve('app.mjs', { rollbackWindow: 500, idleGrace: 300 });
    const client = new RawClient(port).send('GET / HTTP/1.1\r\nHost: a');
    await sleep(50);
    const between = await hup(program, program.pid);
    const newest = await hup(program, between);
    // A process that answers has told its predecessor that it takes channels.
    const other = new RawClient(port);
    await other.get('/').receive(/generation 2$/);
    other.socket.destroy();
    const pids = { oldest: program.pid, between, newest };
    program.signal('SIGSTOP', pids[stopped]);
    await program.waitFor(`event committed ${between}`);
    await sleep(300);
    program.signal('SIGKILL', pids[killed]);
    await sleep(100);
    if (stopped !== killed) program.signal('SIGCONT', pids[stopped]);
    await sleep(300);
    client.send('\r\n\r\n');
    expect(await client.receive(/generation \d+$/)).toMatch(/generation 0$/);
    await sleep(200);
    const answer = client.get('/next').receive(/generation \d+$/);
    const closed = client.closed.then(() => 'closed');
    expect(await Promise.race([answer.catch(() => closed), closed])).toMatch(next);
    client.socket.destroy();
    const left = killed === 'newest' ? [] : [newest];
    expect(await program.waitForPids(left.length, 8_000)).toEqual(left);
  });
});

describe('a channel is handed on, three times', () => {
  for (const { major, path: node } of nodeBinaries())
    test(`Node ${major}`, async () => {
      const { program, port } = await serve('app.mjs', { rollbackWindow: 20 }, { node });
      const client = new RawClient(port).send('GET /half HTTP/1.1\r\nHost: a');
      await client.receive(/^$/);
      for (let restarts = 0; restarts < 4; restarts += 1) {
        await hup(program);
        await program.waitForPids(2);
      }
      expect(program.pids()).toContain(newestPid(program));
      client.send('\r\n\r\n');
      expect(await client.receive(/generation \d+$/)).toMatch(/generation 0$/);
      await program.waitForPids(1);
      expect(await client.get('/next').receive(/generation \d+$/)).toMatch(/generation 4$/);
    });
});
