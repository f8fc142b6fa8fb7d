import { freePort, get, startLoad, startProgram } from '@endless/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { fixture, hup, serve, until } from './program.js';

/** The load of both tests, so that only the way of the restart differs. */
const load = (port: number) => startLoad({ port, connections: 50, mode: 'keep-alive' });

test('a restart in the ordinary way, `server.close()` and start again, loses requests', async () => {
  const port = await freePort();
  const start = (generation: number) => {
    const program = startProgram(fixture('ordinary.mjs'), {
      env: { PORT: String(port), GENERATION: String(generation) },
    });
    onTestFinished(() => program.stop());
    return program;
  };
  const old = start(0);
  await old.waitFor('listening');
  const clients = load(port);
  await until(() => clients.answered > 500);
  old.signal('SIGTERM');
  await old.waitFor('closing');
  await start(1).waitFor('listening');
  await until(() => clients.answers.has('1'));
  await old.exited;
  const { lostCount, lostBy, answers } = await clients.stop();
  expect(lostCount).toBeGreaterThan(0);
  // The restart lost them: both processes answered, and no loss is an answer that a check rejected.
  expect([...answers.keys()]).toEqual(['0', '1']);
  for (const reason of lostBy.keys())
    expect(['refused', 'reset', 'ended', 'connect-failed']).toContain(reason);
});

test('clients in the accept queue of a process that stops in the ordinary way are lost', async () => {
  const port = await freePort();
  const program = startProgram(fixture('ordinary.mjs'), { env: { PORT: String(port), GENERATION: '0' } });
  onTestFinished(() => program.stop());
  await program.waitFor('listening');
  await get({ port, path: '/block-and-stop' });
  const clients = await Promise.allSettled(Array.from({ length: 25 }, () => get({ port, timeout: 5_000 })));
  expect(clients.map(({ status }) => status)).toEqual(Array(25).fill('rejected'));
});

test('the same load over a restart of endless loses none', async () => {
  const { program, port } = await serve('app.mjs');
  const clients = load(port);
  await until(() => clients.answered > 500);
  await hup(program);
  await until(() => clients.answers.has('1'));
  await program.waitForPids(1);
  const { lost, answers } = await clients.stop();
  expect(lost).toEqual([]);
  expect([...answers.keys()]).toEqual(['0', '1']);
});
