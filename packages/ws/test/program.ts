import { randomBytes, randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Served, type ServeOptions, serve as serveFile } from '@endless/conformance';
import { onTestFinished } from 'vitest';
import { StrictClient } from './strict-client.js';

export { getJson, hup, newestPid, type Served, until } from '@endless/conformance';

/** Starts a fixture, waits until it listens, and ends every process of it with the test. */
export function serve(name: string, settings: object = {}, options: ServeOptions = {}): Promise<Served> {
  const file = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
  return serveFile(file, settings, { ready: /listening \d+/, ...options });
}

/** So many strict clients, which are gone with the test. */
export async function connect(
  port: number,
  count: number,
  options?: Parameters<typeof StrictClient.open>[1],
): Promise<StrictClient[]> {
  const clients: StrictClient[] = [];
  onTestFinished(() => {
    for (const client of clients) client.abandon();
  });
  while (clients.length < count) {
    const batch = Math.min(250, count - clients.length);
    clients.push(
      ...(await Promise.all(Array.from({ length: batch }, () => StrictClient.open(port, options)))),
    );
  }
  return clients;
}

/** Lets clients send numbered texts every few milliseconds; returns the end of it. */
export function chat(clients: readonly StrictClient[], every = 5): () => void {
  let number = 0;
  const timer = setInterval(() => {
    for (const client of clients) void client.send(`text ${number}`);
    number += 1;
  }, every);
  return () => clearInterval(timer);
}

/** Lets clients send whatever there is: texts and binaries of up to a megabyte, in frames and pieces, with pings between. */
export function storm(clients: readonly StrictClient[]): () => Promise<void> {
  let over = false;
  const big = randomBytes(1024 * 1024);
  const run = async (client: StrictClient) => {
    for (let number = 0; !over && !client.socket.destroyed; number += 1) {
      const kind = randomInt(20);
      const length = kind === 0 ? randomInt(big.length) : kind < 5 ? randomInt(70_000) : randomInt(200);
      const at = randomInt(big.length - length + 1);
      const data = kind % 2 === 0 ? big.subarray(at, at + length) : `text ${number} ${'x'.repeat(length)}`;
      await client.send(data, { frames: randomInt(1, 6), torn: randomInt(2) === 0 });
      if (randomInt(5) === 0) await client.ping();
      // A slow reader is another test: this one waits until not too much is on its way.
      while (client.outstanding > 8 && !over && !client.socket.destroyed) await sleep(1);
    }
  };
  const all = clients.map(run);
  return async () => {
    over = true;
    await Promise.all(all);
  };
}

/** What went wrong, over all of them, once everything that is outstanding has come. */
export async function lossesOf(clients: readonly StrictClient[]): Promise<string[]> {
  await Promise.all(clients.map((client) => client.end()));
  return clients.flatMap(({ losses }) => losses);
}
