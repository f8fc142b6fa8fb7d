import type { Server } from 'node:net';
import type { Server as TlsServer } from 'node:tls';
import { builtin, isTlsServer } from '../builtin.js';
import { boundOf, label } from '../listen/address.js';
import { givenTicketKeys, keepTicketKeys, shareSessions } from '../node-private/tls.js';

/** The length of the keys of one server. */
const LENGTH = 48;

/** The servers whose keys came from another process. */
const shared = new WeakSet<Server>();

/** The servers whose calls of `setTicketKeys` are seen. */
const watched = new WeakSet<Server>();

/** The servers whose keys the application has set. */
const own = new WeakSet<Server>();

/** From now on the application can set the keys of this server: no others take their place. */
export function watchTicketKeys(server: Server): void {
  if (!isTlsServer(server) || watched.has(server)) return;
  watched.add(server);
  const { setTicketKeys } = server;
  server.setTicketKeys = (keys) => {
    setTicketKeys.call(server, keys);
    own.add(server);
  };
}

/** The session ticket keys of these servers in base64, by the label of their address. */
export function ticketKeysOf(servers: Iterable<{ server: Server }>): Record<string, string> {
  const keys: Record<string, string> = {};
  for (const { server } of servers) {
    const bound = boundOf(server);
    if (isTlsServer(server) && bound) keys[label(bound)] = server.getTicketKeys().toString('base64');
  }
  return keys;
}

/**
 * Gives the servers the old process's keys, so that clients resume their sessions on the new process. Those that
 * have keys of the application keep them.
 */
export function useTicketKeys(servers: Iterable<Server>, keys: Record<string, string>): void {
  for (const server of servers) {
    const bound = boundOf(server);
    const key = bound && keys[label(bound)];
    if (!isTlsServer(server) || key === undefined || hasOwnKeys(server)) continue;
    give(server, Buffer.from(key, 'base64'));
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
    if (!shared.has(server) && !own.has(server)) {
      const hash = builtin('node:crypto').createHmac('sha512', secret).update(label(bound)).digest();
      give(server, hash.subarray(0, LENGTH));
    }
    keepTicketKeys(server);
  }
}

/** Whether the application has given the server its keys, as an option or later. */
function hasOwnKeys(server: TlsServer): boolean {
  return givenTicketKeys(server) || own.has(server);
}

function give(server: TlsServer, keys: Buffer): void {
  server.setTicketKeys(keys);
  // This was no call of the application.
  own.delete(server);
  shared.add(server);
}
