import type { Server } from 'node:net';
import { builtin, isTlsServer } from '../builtin.js';
import { boundOf, label } from '../listen/address.js';
import { givenTicketKeys, keepTicketKeys, shareSessions } from '../node-private/tls.js';

/** The length of the keys of one server. */
const LENGTH = 48;

/** The servers whose keys came from another process. */
const shared = new WeakSet<Server>();

/** The session ticket keys of these servers in base64, by the label of their address. */
export function ticketKeysOf(servers: Iterable<{ server: Server }>): Record<string, string> {
  const keys: Record<string, string> = {};
  for (const { server } of servers) {
    const bound = boundOf(server);
    if (isTlsServer(server) && bound) keys[label(bound)] = server.getTicketKeys().toString('base64');
  }
  return keys;
}

/** Gives the servers the old process's keys, so that clients resume their sessions on the new process. */
export function useTicketKeys(servers: Iterable<Server>, keys: Record<string, string>): void {
  for (const server of servers) {
    const bound = boundOf(server);
    const key = bound && keys[label(bound)];
    if (!isTlsServer(server) || key === undefined) continue;
    server.setTicketKeys(Buffer.from(key, 'base64'));
    shared.add(server);
  }
}

/**
 * Gives the servers the keys that every worker derives from this secret, so that clients resume their sessions
 * on any of them. Those that have the keys of the old process, or of the application, keep them.
 */
export function deriveTicketKeys(servers: Iterable<Server>, secret: Buffer): void {
  for (const server of servers) {
    const bound = boundOf(server);
    if (!isTlsServer(server) || !bound) continue;
    shareSessions(server);
    if (givenTicketKeys(server)) continue;
    if (!shared.has(server)) {
      const hash = builtin('node:crypto').createHmac('sha512', secret).update(label(bound)).digest();
      server.setTicketKeys(hash.subarray(0, LENGTH));
      shared.add(server);
    }
    keepTicketKeys(server);
  }
}
