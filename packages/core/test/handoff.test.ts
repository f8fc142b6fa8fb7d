import { statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { freePort } from '@endless/testkit';
import { expect, test } from 'vitest';
import { describeNotTaken } from './not-taken.js';
import { getJson, hup, serve, temporaryFolder } from './program.js';

describeNotTaken();

test('a server of a successor has the address of its predecessor at once, and can be closed, opened again and `unref`ed', async () => {
  const socket = path.join(temporaryFolder(), 'app.sock');
  const { program, port } = await serve(
    'at-the-gate.mjs',
    { rollbackWindow: 100, idleGrace: 50 },
    { env: { SOCKET: socket } },
  );
  const open = { listening: true, address: { address: '::', family: 'IPv6', port } };
  const seen = {
    events: ['close', 'listening'],
    first: open,
    closed: { listening: false, address: null },
    error: null,
    second: open,
    connections: 0,
    unix: { listening: true, address: socket },
  };
  for (let generation = 0; generation < 3; generation += 1) {
    expect(await getJson(port, '/')).toEqual(seen);
    expect(await getJson(port, '/address')).toEqual(open);
    expect(statSync(socket).mode & 0o666).toBe(0o666);
    await hup(program);
    await program.waitForPids(1);
  }
  // Both are `unref`ed now, and nothing else holds the process.
  await getJson(port, '/unref');
  await program.waitForPids(0);
});

test('an environment that is too long for the system is named as the cause', async () => {
  const planFile = path.join(temporaryFolder(), 'plan.json');
  const port = await freePort();
  const tooLong = { configure: { restart: { env: { LONG: 'x'.repeat(200_000) } } } };
  writeFileSync(planFile, JSON.stringify([tooLong, { listen: { name: 'app', port } }]));
  await serve('plan.mjs', {}, { env: { PLAN_FILE: planFile } });
  const { code, message } = await getJson<{ code: string; message: string }>(port, '/restart');
  expect(code).toBe('ERR_ENDLESS_SPAWN_FAILED');
  expect(message).toMatch(
    /longer than the system allows; the addresses of 1 listening sockets take \d+ bytes/,
  );
});
