import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { createEndless } from '../endless.js';
import { realWorld } from '../real-world.js';
import { Lifecycle } from './lifecycle.js';

/** A process that never exits; its signals are not listened to. */
function lifecycle() {
  const endless = createEndless(
    new Lifecycle({ ...realWorld, platform: 'win32', onSignal: () => () => {} }, 'test'),
  );
  endless.configure({ exit: false, idleGrace: 0, logger: false });
  return endless;
}

test('`configure({ logger })` changes at once where all parts of the process log', async () => {
  const endless = lifecycle();
  const first: string[] = [];
  const second: string[] = [];
  const into = (lines: string[]) => {
    const add = (line: string) => void lines.push(line);
    return { info: add, warn: add, error: add };
  };
  endless.configure({ logger: into(first) });
  await endless.listen(() => {}, '127.0.0.1:0');
  await expect.poll(() => first.length).toBe(1);
  endless.configure({ logger: into(second) });
  endless.hook('pre', 'SIGTERM', () => {
    throw new Error('of a hook');
  });
  await endless.shutdown();
  expect(first).toHaveLength(1);
  expect(second).toContain('A pre hook of SIGTERM threw: of a hook');
});

test('a server keeps the timeouts that were set when it began to listen', async () => {
  const endless = lifecycle();
  endless.configure({ readTimeout: 1_000 });
  const before = createServer();
  await endless.listen(before, '127.0.0.1:0');
  endless.configure({ readTimeout: 2_000 });
  const after = createServer();
  await endless.listen(after, '127.0.0.1:0');
  expect([before.requestTimeout, after.requestTimeout]).toEqual([1_000, 2_000]);
  await endless.shutdown();
});

test('a drain keeps the `hammerTime` with which it began', async () => {
  const endless = lifecycle();
  endless.configure({ hammerTime: 150 });
  const server = await endless.listen(() => {}, '127.0.0.1:0');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => {}).write('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
  await expect.poll(() => endless.stats().activeRequests).toBe(1);
  endless.on('draining', () => endless.configure({ hammerTime: 60_000 }));
  const { forced, durationMs } = await endless.shutdown();
  expect(forced.requests).toBe(1);
  expect(durationMs).toBeLessThan(10_000);
});
