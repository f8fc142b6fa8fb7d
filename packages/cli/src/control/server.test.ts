import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import type { Supervisor } from '../supervisor/supervisor.js';
import { controlServer } from './server.js';

/** What a server answers to an order for a supervisor that breaks at the first look at its target. */
async function orderOf(body: string): Promise<Response> {
  const supervisor = {
    get target(): number {
      throw new Error('a fault of the supervisor');
    },
  };
  const server = controlServer(supervisor as unknown as Supervisor).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return fetch(`http://127.0.0.1:${port}/scale`, { method: 'POST', body });
}

test('a fault of the supervisor is no bad request', async () => {
  const response = await orderOf('{"to":"+1"}');
  expect([response.status, await response.json()]).toEqual([500, { error: 'a fault of the supervisor' }]);
});
