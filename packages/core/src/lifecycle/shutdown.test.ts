import { expect, test } from 'vitest';
import { createEndless } from '../endless.js';
import { realWorld } from '../real-world.js';
import { Lifecycle } from './lifecycle.js';

test('a listener of `endless.signal` that calls `shutdown()` at once joins the shutdown', async () => {
  const world = { ...realWorld, platform: 'win32' as const, onSignal: () => () => {} };
  const endless = createEndless(new Lifecycle(world, 'test'));
  endless.configure({ exit: false, idleGrace: 0, logger: false });
  const drained: unknown[] = [];
  endless.on('drained', (event) => drained.push(event));
  await endless.listen(() => {}, '127.0.0.1:0');
  let joined: Promise<unknown> | undefined;
  endless.signal.addEventListener('abort', () => {
    joined = endless.shutdown();
  });
  const result = await endless.shutdown();
  expect(await joined).toBe(result);
  expect(drained).toHaveLength(1);
});
