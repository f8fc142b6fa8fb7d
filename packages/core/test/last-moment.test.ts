import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get } from '@endless/testkit';
import { expect, test } from 'vitest';
import { hup, RawClient, serve, temporaryFolder } from './program.js';

test('a server that a pre hook closes is not handed over, and the restart succeeds', async () => {
  const { program, port } = await serve('last-moment.mjs', { startTimeout: 5_000 });
  const began = performance.now();
  await hup(program);
  // No process waited for the address of the closed server.
  expect(performance.now() - began).toBeLessThan(4_000);
  expect((await get({ port })).body).toBe('generation 1');
});

test('the pid file names the old process again if the successor dies just before it accepts', async () => {
  const pidFile = path.join(temporaryFolder(), 'pid');
  const { program, port, fault } = await serve('last-moment.mjs', { pidFile });
  fault('die');
  program.signal('SIGHUP');
  await program.waitFor('was ended by SIGKILL before it was ready');
  expect(readFileSync(pidFile, 'utf8')).toBe(`${program.pid}\n`);
  expect((await get({ port })).body).toBe('generation 0');
});

test('a SIGHUP to the old process after `go` and before the new one accepts is not lost', async () => {
  const { program, port } = await serve('last-moment.mjs', {}, { env: { TAKES_A_WHILE: '300' } });
  program.signal('SIGHUP');
  await program.waitFor('about to accept 1');
  program.signal('SIGHUP');
  await program.waitFor(/listening \d+ 2/);
  await program.waitFor('generation 2, has taken over');
  expect((await get({ port })).body).toBe('generation 2');
});

test.each([
  ['SIGUSR2', 100],
  ['SIGTERM', 1_100],
] as const)(
  'a %s to the old process that stops, before the new one accepts, force-closes once that accepts',
  async (signal, after) => {
    const { program, port } = await serve('last-moment.mjs', {}, { env: { TAKES_A_WHILE: '1500' } });
    const client = new RawClient(port).send('GET / HTTP/1.1\r\nHost: a');
    program.signal('SIGHUP');
    await program.waitFor('about to accept 1');
    program.signal('SIGTERM');
    await sleep(after);
    program.signal(signal);
    await program.waitFor('generation 1, has taken over');
    const began = performance.now();
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(performance.now() - began).toBeLessThan(1_500);
    await client.closed;
    expect((await get({ port })).body).toBe('generation 1');
  },
);
