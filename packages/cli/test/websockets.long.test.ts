import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { chat, connect, lossesOf } from '../../ws/test/program.js';
import { lines, run } from './program.js';

const echo = fileURLToPath(new URL('../../ws/test/fixtures/echo.mjs', import.meta.url));

test('rolling restarts of 4 workers close no WebSocket and lose no message', async () => {
  const served = await run('echo', {
    flags: ['--workers', '4'],
    maxProcesses: 16,
    file: echo,
    ready: /4 of 4/,
  });
  const clients = await connect(served.port, 100);
  const hush = chat(clients);
  for (let restart = 1; restart <= 5; restart += 1) {
    served.program.signal('SIGHUP');
    await lines(served, /restart: done/, restart, 60_000);
  }
  hush();
  expect(await lossesOf(clients)).toEqual([]);
  await served.program.waitForPids(5);
});
