import { connect, type Socket } from 'node:net';
import { nodeBinaries, startLoad } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { getJson, hup, serve, until } from './program.js';

interface Stats {
  migrated: number;
  connections: number;
}

describe.each(nodeBinaries())('on Node $version', ({ path: node }) => {
  test('10,000 idle connections all move and all answer on the new process', async () => {
    const { program, port } = await serve('app.mjs', { logger: false }, { node, ready: /listening/ });
    const sockets: Socket[] = [];
    while (sockets.length < 10_000)
      sockets.push(...(await Promise.all(Array.from({ length: 250 }, () => open(port)))));
    const closed: Socket[] = [];
    for (const socket of sockets) socket.once('close', () => closed.push(socket));
    program.signal('SIGHUP');
    await program.exited;
    expect((await getJson<Stats>(port, '/stats')).migrated).toBe(10_000);
    for (let at = 0; at < sockets.length; at += 250)
      for (const answer of await Promise.all(sockets.slice(at, at + 250).map(ask)))
        expect(answer).toMatch(/x-generation: 1/i);
    expect(closed).toEqual([]);
  });
});

test('a connection opened at generation 0 answers at generation 100, under load', async () => {
  const { program, port } = await serve('app.mjs');
  const idle = await open(port);
  const load = startLoad({ port, connections: 10, mode: 'keep-alive', thinkTime: () => 5 });
  for (let restart = 0; restart < 100; restart += 1) await hup(program);
  await until(() => load.answers.has('100'));
  const report = await load.stop();
  expect(report.lost).toEqual([]);
  expect(report.opened).toBe(10);
  expect(await ask(idle)).toMatch(/x-generation: 100/i);
});

/** A connection that is open and silent. */
function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket)).once('error', reject);
    onTestFinished(() => void socket.destroy());
  });
}

/** One request on an open connection. */
function ask(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    socket.once('data', (bytes) => resolve(bytes.toString()));
    socket.once('close', () => reject(new Error('the connection was closed')));
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  });
}
