import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, test } from '@endless/conformance';
import { expect } from 'vitest';
import { hup, loggedAt, newestPid, RawClient, type Served, serve, until } from './program.js';

/** Restarts so often, and after each waits until the process in between has exited. */
async function restart({ program }: Served, times: number, processes = 2): Promise<void> {
  for (let restarts = 0; restarts < times; restarts += 1) {
    await hup(program);
    await program.waitForPids(processes, 5_000);
  }
}

/** A request whose end the test decides on: it has come, but for the last byte of its body. */
async function begun(port: number): Promise<RawClient> {
  const client = new RawClient(port).send('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n.');
  await sleep(50);
  return client;
}

/** The processes that live, by pid. */
const alive = ({ program }: Served) => program.pids().sort((one, other) => one - other);

describe('a process that has drained and only waits for an older one exits:', () => {
  longTest(
    'ten restarts leave two processes beside half a request head, which is then answered',
    async () => {
      const served = await serve('app.mjs', { rollbackWindow: 20 });
      const client = new RawClient(served.port).send('GET /half HTTP/1.1\r\nHost: a');
      await sleep(50);
      await restart(served, 10);
      expect(alive(served)).toEqual([served.program.pid, newestPid(served.program)]);
      client.send('\r\n\r\n');
      expect(await client.receive(/generation \d+$/)).toMatch(/generation 0$/);
      // It moves as soon as it is idle.
      await served.program.waitForPids(1);
      expect(await client.get('/next').receive(/generation \d+$/)).toMatch(/generation 10$/);
    },
  );

  test('a slow request is answered after five restarts, and its connection moves to the newest', async () => {
    const served = await serve('app.mjs', { rollbackWindow: 20 });
    const client = await begun(served.port);
    await restart(served, 5);
    expect(await client.send('.').receive(/body \d+$/)).toMatch(/connection: keep-alive[\s\S]*body 0$/i);
    await served.program.waitForPids(1);
    expect(await client.get('/next').receive(/generation \d+$/)).toMatch(/generation 5$/);
  });

  longTest('only processes that hold something stay, and each hands over to the newest', async () => {
    const served = await serve('app.mjs', { rollbackWindow: 20, maxDraining: 5 });
    const { program, port } = served;
    const oldest = await begun(port);
    await restart(served, 1);
    const younger = await begun(port);
    await hup(program);
    await hup(program);
    // Generation 1 has a request of its own; generation 2 has none.
    await program.waitForPids(3);
    await younger.send('.').receive(/body 1$/);
    await program.waitForPids(2);
    expect(alive(served)).toEqual([program.pid, newestPid(program)]);
    await oldest.send('.').receive(/body 0$/);
    await program.waitForPids(1);
    for (const each of [oldest, younger])
      expect(await each.get('/next').receive(/generation \d+$/)).toMatch(/generation 3$/);
  });

  longTest('a connection that cannot move keeps its own process only', async () => {
    const served = await serve('app.mjs', { rollbackWindow: 20, migrate: false });
    const client = await begun(served.port);
    await restart(served, 3);
    expect(await client.send('.').receive(/body \d+$/)).toMatch(/connection: close[\s\S]*body 0$/i);
    await served.program.waitForPids(1);
  });

  longTest(
    'a socket that is held back moves to the newest after four restarts, with all that was sent to it',
    async () => {
      const served = await serve('lines.mjs', { settings: { rollbackWindow: 20 }, endWithin: 60_000 });
      const client = new RawClient(served.port).send('name held\nbag 7\nkeep later\n');
      for (let restarts = 1; restarts <= 4; restarts += 1) {
        await restart(served, 1);
        expect(await client.send('who\n').receive(/\n/)).toBe('held 7 0\n');
      }
      const questions = 200;
      client.send('keep \n');
      for (let asked = 0; asked < questions; asked += 1) {
        client.send(`name n${asked}\nwho\n`);
        await sleep(1);
      }
      await until(() => client.text.split('\n').length > questions);
      const answers = client.text.trim().split('\n');
      expect(answers.map((answer) => answer.split(' ')[0])).toEqual(
        Array.from({ length: questions }, (_, asked) => `n${asked}`),
      );
      expect(answers.at(-1)).toBe(`n${questions - 1} 7 4`);
      await served.program.waitForPids(1);
    },
  );

  longTest('what the oldest says of a socket reaches it two processes on', async () => {
    const served = await serve('lines.mjs', { settings: { rollbackWindow: 20 } });
    const client = new RawClient(served.port).send('name told\nlater 6000\n');
    await sleep(50);
    await restart(served, 3);
    expect(await client.send('who\n').receive(/\n/)).toBe('told 0 3\n');
    expect(alive(served)).toEqual([served.program.pid, newestPid(served.program)]);
    expect(await client.receive(/\n/)).toBe('told told\n');
    await served.program.waitForPids(1);
  });

  longTest(
    'nothing is handed on to a process that does not serve an address of the one between',
    async () => {
      const { program } = await serve('ports.mjs', { rollbackWindow: 20 });
      const [, port] = await program.waitFor(/port (\d+)/);
      const client = new RawClient(Number(port)).get('/slow');
      await sleep(50);
      const first = await hup(program);
      await hup(program, first);
      await program.waitFor('several servers asked for port 0');
      expect(await client.receive(/generation \d+$/)).toMatch(/generation 0$/);
      expect(program.stderr).not.toContain('Handed generation 0');
      await program.waitForPids(1, 15_000);
    },
  );

  test('a stop of the newest has its deadline in the oldest, and the newest exits last', async () => {
    const served = await serve(
      'stop.mjs',
      { hammerTime: 60_000, rollbackWindow: 20 },
      { env: { SUCCESSOR_SETTINGS: '{"hammerTime":600}' } },
    );
    const { program, port } = served;
    const client = new RawClient(port).get('/never');
    await sleep(50);
    await restart(served, 2);
    const newest = newestPid(program);
    program.signal('SIGTERM', newest);
    await program.waitForPids(0);
    const signalled = await loggedAt(program, 'Received SIGTERM', newest);
    const after = (await loggedAt(program, 'Force-closed: ')) - signalled;
    expect(after).toBeGreaterThan(595);
    expect(after).toBeLessThan(1_500);
    expect(await client.closed).toBe('');
    const exits = [...program.stdout.matchAll(/said (\d+) exit \d/g)].map(([, pid]) => Number(pid));
    expect(exits.slice(-2)).toEqual([program.pid, newest]);
  });

  test('`maxDraining` force-closes the oldest with requests, through processes that have exited', async () => {
    const served = await serve('app.mjs', { rollbackWindow: 20, maxDraining: 2 });
    const { program, port } = served;
    const clients: RawClient[] = [];
    for (let generation = 0; generation < 3; generation += 1) {
      clients.push(new RawClient(port).get('/never'));
      await sleep(50);
      await restart(served, 2, generation < 2 ? generation + 2 : 3);
    }
    await clients[0]?.closed;
    await program.waitFor(/event hammered \d+/);
    expect(program.stdout.match(/event hammered \d+/g)).toEqual([`event hammered ${program.pid}`]);
    expect(clients.slice(1).map(({ socket }) => socket.destroyed)).toEqual([false, false]);
  });
});
