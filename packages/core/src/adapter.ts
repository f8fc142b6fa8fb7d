/** What an adapter for a framework needs of core; outside semantic versioning. */
import type { AddressInfo, Server, Socket } from 'node:net';
import { RETRY_AFTER } from './drain/late.js';
import { type Endless, readinessOf } from './endless.js';
import { type Address, type ListenTarget, parseAddress } from './listen/address.js';
import { checkListenOptions, type ListenOptions, serverFor } from './listen/create-server.js';
import { shared } from './one-copy.js';
import type { Readiness } from './readiness/handler.js';
import type { Settings } from './settings.js';

const { lifecycle, endless } = shared();

/** First use: from now on endless sees every server that begins to listen, and leaves late requests to the adapter. */
export function install(settings?: Settings): void {
  if (settings !== undefined) lifecycle.configure(settings);
  lifecycle.shared.apps.used = true;
  lifecycle.shared.apps.answerLate = true;
  lifecycle.install();
}

/** Makes sure that the server of a request is looked after, also where it listened before endless was first used. */
export function adopt({ socket }: { socket: Socket }): void {
  const { server } = socket as Socket & { server?: Server };
  if (server && !lifecycle.shared.servers.get(server)) lifecycle.adopt(server, socket);
}

/** What a late request is told. */
export const LATE = 'The server is restarting.';

/** Remembers what `endless.listen` was given for the server of an app, and turns it into what the app's own listen takes. */
export function expect(server: Server, address: Address, options: ListenOptions = {}): ListenTarget {
  checkListenOptions(options);
  const target = parseAddress(address);
  serverFor(server, options);
  lifecycle.install();
  lifecycle.expect(server, address, options);
  return target;
}

/** Stops the servers on these addresses (as `server.address()` gives them) from accepting, and ends their connections well. */
export function drainAddresses(addresses: readonly (string | AddressInfo)[]): void {
  lifecycle.drainServers(({ bound }) =>
    addresses.some((address) => {
      if (!bound || typeof address === 'string') return bound && 'path' in bound && bound.path === address;
      return 'port' in bound && bound.port === address.port && bound.address === address.address;
    }),
  );
}

/** What a readiness check is told now. */
export function readiness(): Readiness {
  return readinessOf(lifecycle);
}

/** Seconds until a client may try again, where a request must be rejected because this process drains; else undefined. */
export function rejectsLate({ socket }: { socket: Socket }): number | undefined {
  if (lifecycle.shared.settings.current.lateRequests !== 'reject') return undefined;
  return lifecycle.isLate((socket as Socket & { server?: Server }).server) ? RETRY_AFTER : undefined;
}

/**
 * Whether an adapter has nothing to do for a request whose server is known, and may step out of its way; should late
 * requests be rejected after all some day, endless does it in the adapter's place.
 */
export function mayStepAside(): boolean {
  if (lifecycle.shared.settings.current.lateRequests === 'reject') return false;
  lifecycle.shared.apps.answerLate = false;
  return true;
}

/**
 * Runs `close` once no connection is left, before the post hooks, and `begin` when a shutdown begins to drain or a restart is
 * committed; returns the undo.
 */
export function onDrained(close: () => unknown, begin: () => unknown = () => {}): () => void {
  const closer = { begin, close };
  const { closers } = lifecycle.shared.apps;
  closers.push(closer);
  return () => {
    const at = closers.indexOf(closer);
    if (at >= 0) closers.splice(at, 1);
  };
}

/** The lifecycle with other or further members: what an adapter exports as `endless`. */
export function extend<Target extends object>(target: Target): Target & Endless {
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(endless)))
    if (!Object.hasOwn(target, name)) Object.defineProperty(target, name, property);
  return target as Target & Endless;
}
