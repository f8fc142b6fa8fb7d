import type { Server } from 'node:net';
import { isTlsServer } from '../builtin.js';
import { boundOf, label } from '../listen/address.js';

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
    if (isTlsServer(server) && key !== undefined) server.setTicketKeys(Buffer.from(key, 'base64'));
  }
}
