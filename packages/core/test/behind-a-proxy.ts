import { startLoad } from '@endless/testkit';
import { expect } from 'vitest';
import { hup, serve, until } from './program.js';
import type { StartProxy } from './proxies.js';

/** The result of a load through a proxy during restarts of the server behind it. */
export interface Outcome {
  /** The requests that clients did not get a good answer to. */
  lost: readonly unknown[];
  /** The failed connections to the server, by the proxy's own records. */
  troubles: Record<string, number>;
  /** How many connections to the server have brought a request, before the first restart and in all. */
  connections: number[];
  /** The number of connections that the proxy reports as opened, before the first restart and in total. */
  opened: (number | undefined)[];
}

const CLIENTS = 40;

/** Restarts a server under load, so many times, behind a proxy that keeps its connections. */
export async function restartsBehind(
  start: StartProxy,
  restarts: number,
  settings: object = {},
  node: string = process.execPath,
): Promise<Outcome> {
  const { program, port } = await serve('connections.mjs', settings, { node });
  const proxy = await start(port);
  const peers = new Set<string>();
  const load = startLoad({
    port: proxy.port,
    connections: CLIENTS,
    mode: 'keep-alive',
    // All at once at first: a proxy never needs more connections than that.
    request: (n) => ({ target: n < CLIENTS ? '/slow?ms=500' : '/' }),
    // Half of the requests follow at once, half after a pause.
    thinkTime: () => Math.max(0, Math.random() * 60 - 30),
    onResponse: ({ headers }) => peers.add(headers['x-peer'] as string),
  });
  await until(() => load.answered > 1_000);
  const connections = [peers.size];
  const opened = [await proxy.opened()];
  for (let restart = 0; restart < restarts; restart += 1) await hup(program);
  await until(() => load.answers.has(String(restarts)));
  await program.waitForPids(1);
  const { lost } = await load.stop();
  return {
    lost,
    troubles: await proxy.troubles(),
    connections: [...connections, peers.size],
    opened: [...opened, await proxy.opened()],
  };
}

/** Expects no failure, and no more connections than clients. */
export function expectUnnoticed({ lost, troubles, connections, opened }: Outcome): void {
  expect(lost).toEqual([]);
  for (const [name, count] of Object.entries(troubles)) expect({ [name]: count }).toEqual({ [name]: 0 });
  expect(connections).toEqual([CLIENTS, CLIENTS]);
  if (opened[0] !== undefined) expect(opened).toEqual([CLIENTS, CLIENTS]);
}
