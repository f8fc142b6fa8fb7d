import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { hup, RawClient, serve } from './program.js';
import { Random } from './random.js';

/** The process that is killed beside the oldest one, at a random moment around the hand-on of its channel. */
export type Killed = 'no process' | 'the one between' | 'the newest';

/** Milliseconds from the takeover of the newest in which the one between commits, hands on and exits. */
const AROUND = 300;
const CLIENTS = 10;

/**
 * Ten half request heads on generation 0, and two restarts. Around the moment at which generation 1 hands generation 0 on
 * each head is completed: its answer comes, and if no process was killed, its connection then reaches generation 2.
 */
export async function handedOn(seed: number, killed: Killed, node: string = process.execPath): Promise<void> {
  const random = new Random(seed);
  const { program, port } = await serve('app.mjs', { rollbackWindow: 20, idleGrace: 300 }, { node });
  const clients = Array.from({ length: CLIENTS }, () =>
    new RawClient(port).send('GET / HTTP/1.1\r\nHost: a'),
  );
  await sleep(50);
  const between = await hup(program, program.pid);
  const newest = await hup(program, between);
  const victim = { 'no process': undefined, 'the one between': between, 'the newest': newest }[killed];
  const kill = sleep(random.next() * AROUND * (killed === 'the one between' ? 0.4 : 1)).then(() => {
    // The one between may have exited by itself.
    try {
      if (victim) program.signal('SIGKILL', victim);
    } catch (error) {
      if (killed !== 'the one between') throw error;
    }
  });
  const outcomes = clients.map(async (client) => {
    await sleep(random.next() * AROUND);
    client.send('\r\n\r\n');
    const first = await client.receive(/generation \d+$/);
    await sleep(random.next() * AROUND);
    const closed = client.closed.then(() => 'closed');
    const second = client
      .get('/next')
      .receive(/generation \d+$/)
      .then((text) => text.slice(-1));
    second.catch(() => {});
    return { first: first.slice(-'generation 0'.length), second: await Promise.race([second, closed]) };
  });
  const [ended] = await Promise.all([Promise.all(outcomes), kill]);
  expect(ended.map(({ first }) => first)).toEqual(Array(CLIENTS).fill('generation 0'));
  // A connection that a killed process had is gone with it; nothing hangs.
  if (!victim) for (const { second } of ended) expect(['0', '1', '2']).toContain(second);
  await sleep(500);
  if (!victim)
    for (const client of clients)
      expect(await client.get('/last').receive(/generation \d+$/)).toMatch(/generation 2$/);
  for (const { socket } of clients) socket.destroy();
  const rolledBack = program.stderr.includes('Rolled back');
  const left = killed !== 'the newest' ? [newest] : rolledBack ? [between] : [];
  expect(await program.waitForPids(left.length, 8_000)).toEqual(left);
}
