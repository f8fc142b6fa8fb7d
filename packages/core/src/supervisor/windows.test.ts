import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { createEndless } from '../endless.js';
import { Lifecycle } from '../lifecycle/lifecycle.js';
import { realWorld } from '../real-world.js';
import type { World } from '../world.js';

/** A process that endless takes for one on Windows; the test raises its signals. */
function onWindows() {
  const signals = new Map<string, () => void>();
  const lines: string[] = [];
  const world: World = {
    ...realWorld,
    platform: 'win32',
    onSignal(signal, fn) {
      signals.set(signal, fn);
      return () => signals.delete(signal);
    },
    writeError: (text) => void lines.push(text),
    spawn() {
      throw new Error('nothing is started on Windows');
    },
  };
  const endless = createEndless(new Lifecycle(world, 'test'));
  endless.configure({ exit: false, idleGrace: 50 });
  const server = createServer((_request, response) => {
    setTimeout(() => response.end('answered'), 200);
  });
  return { endless, server, lines, raise: (signal: string) => signals.get(signal)?.() };
}

async function ask(address: AddressInfo): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${address.port}`);
  return response.text();
}

test('on Windows a restart says that it cannot, and the process serves on', async () => {
  const { endless, server } = onWindows();
  await endless.listen(server, '127.0.0.1:0');
  await expect(endless.restart()).rejects.toMatchObject({
    code: 'ERR_ENDLESS_UNSUPPORTED',
    message: expect.stringContaining('Windows'),
  });
  expect(endless.state).toBe('running');
  expect(await ask(server.address() as AddressInfo)).toBe('answered');
  await endless.shutdown();
});

test('on Windows a shutdown answers what is in flight', async () => {
  const { endless, server } = onWindows();
  await endless.listen(server, '127.0.0.1:0');
  const answer = ask(server.address() as AddressInfo);
  await new Promise((resolve) => server.once('request', resolve));
  const { forced } = await endless.shutdown();
  expect(await answer).toBe('answered');
  expect([forced, endless.state]).toEqual([{ requests: 0, connections: 0 }, 'terminated']);
});

for (const signal of ['SIGINT', 'SIGHUP'])
  test(`on Windows ${signal === 'SIGINT' ? 'Ctrl-C' : 'closing the console'} is a shutdown`, async () => {
    const { endless, server, lines, raise } = onWindows();
    await endless.listen(server, '127.0.0.1:0');
    const answer = ask(server.address() as AddressInfo);
    await new Promise((resolve) => server.once('request', resolve));
    raise(signal);
    expect(await answer).toBe('answered');
    await endless.done;
    expect(lines.join('')).not.toContain('forking');
  });
