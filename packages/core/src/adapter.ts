/** The parts of core that framework adapters use; not covered by semantic versioning. */
import type { AddressInfo, Server, Socket } from 'node:net';
import { RETRY_AFTER } from './drain/late.js';
import { type Endless, readinessOf } from './endless.js';
import { type Address, type ListenTarget, parseAddress } from './listen/address.js';
import { checkListenOptions, type ListenOptions, serverFor } from './listen/create-server.js';
import { shared } from './one-copy.js';
import type { Readiness } from './readiness/handler.js';
import type { Settings } from './settings.js';

const { lifecycle, endless } = shared();

/**
 * Installs endless at the first use of an adapter. From now on endless tracks every server that begins to
 * listen, and the adapter answers late requests.
 */
export function install(settings?: Settings): void {
  if (settings !== undefined) lifecycle.configure(settings);
  lifecycle.shared.apps.used = true;
  lifecycle.shared.apps.answerLate = true;
  lifecycle.install();
}

/** Tracks the server of a request, also if it listened before endless was first used. */
export function adopt({ socket }: { socket: Socket }): void {
  const { server } = socket as Socket & { server?: Server };
  if (server && !lifecycle.shared.servers.get(server)) lifecycle.adopt(server, socket);
}

/** The error message for a rejected late request. */
export const LATE = 'The server is restarting.';

/** Remembers what `endless.listen` got for an app's server; returns the target for the app's own `listen`. */
export function expect(server: Server, address: Address, options: ListenOptions = {}): ListenTarget {
  checkListenOptions(options);
  const target = parseAddress(address);
  serverFor(server, options);
  lifecycle.install();
  lifecycle.expect(server, address, options);
  return target;
}

/** Drains the servers on these addresses, in the form that `server.address()` returns. */
export function drainAddresses(addresses: readonly (string | AddressInfo)[]): void {
  lifecycle.drainServers(({ bound }) =>
    addresses.some((address) => {
      if (!bound || typeof address === 'string') return bound && 'path' in bound && bound.path === address;
      return 'port' in bound && bound.port === address.port && bound.address === address.address;
    }),
  );
}

/** The current answer to a readiness check. */
export function readiness(): Readiness {
  return readinessOf(lifecycle);
}

/** Seconds until the client may try again if this request must be rejected as late; otherwise undefined. */
export function rejectsLate({ socket }: { socket: Socket }): number | undefined {
  if (lifecycle.shared.settings.current.lateRequests !== 'reject') return undefined;
  return lifecycle.isLate((socket as Socket & { server?: Server }).server) ? RETRY_AFTER : undefined;
}

/**
 * Whether the adapter may leave the request path, once the server of a request is tracked: it does not reject
 * late requests. If the setting becomes `'reject'` later, endless rejects them in the adapter's place.
 */
export function mayStepAside(): boolean {
  if (lifecycle.shared.settings.current.lateRequests === 'reject') return false;
  lifecycle.shared.apps.answerLate = false;
  return true;
}

/**
 * Runs `close` when no connection is left, before the post hooks. Runs `begin` when a shutdown begins to
 * drain or a restart is committed. Returns the undo.
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

/** Adds the missing members of the lifecycle to `target`: the `endless` that an adapter exports. */
export function extend<Target extends object>(target: Target): Target & Endless {
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(endless)))
    if (!Object.hasOwn(target, name)) Object.defineProperty(target, name, property);
  return target as Target & Endless;
}
