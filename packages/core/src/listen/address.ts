import { isIPv6, type Server, SocketAddress } from 'node:net';
import path from 'node:path';
import { EndlessError, show } from '../errors.js';

/** An address as a program asks for it: a port on a host, or the path of a unix socket. */
export type Asked = { port: number; host?: string } | { path: string };

/** An address as the kernel knows it. */
export type Bound = { address: string; port: number } | { path: string };

/** The options of `server.listen` that endless uses. */
export interface ListenTarget {
  port?: number;
  host?: string;
  path?: string;
  backlog?: number;
  ipv6Only?: boolean;
}

/** Every form of address that `endless.listen` takes. */
export type Address = number | string | ListenTarget;

const FORMS =
  "9090, ':9090', 'localhost:4242', '[::1]:9090', 'unix:/run/app.sock' or { port, host, path, backlog, ipv6Only }";

/** Turns any form of address into listen options; throws `ERR_ENDLESS_INVALID_ADDRESS` if it is invalid. */
export function parseAddress(address: Address): ListenTarget {
  if (typeof address === 'number') return { port: checkedPort(address, address) };
  if (typeof address === 'string') return parseText(address);
  if (typeof address !== 'object' || address === null) throw invalidAddress(address);
  const { port, path: socketPath } = address;
  if (socketPath !== undefined) {
    if (typeof socketPath !== 'string' || socketPath === '') throw invalidAddress(address);
    if (port !== undefined) throw invalidAddress(address, 'it has both a port and a path');
    // Node would use the port: it checks only whether the key exists.
    const { port: _none, ...rest } = address;
    return rest;
  }
  checkedPort(port, address);
  return address;
}

function parseText(text: string): ListenTarget {
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length);
    if (socketPath === '') throw invalidAddress(text, 'the path is missing');
    return { path: socketPath };
  }
  if (text.startsWith('/') || text.startsWith('./')) return { path: text };
  if (/^\d+$/.test(text)) return { port: checkedPort(Number(text), text) };
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:/\s[\]]*)):(?<port>\d+)$/.exec(text)?.groups;
  if (!match) throw invalidAddress(text);
  if (match.v6 !== undefined && !isIPv6(match.v6))
    throw invalidAddress(text, `${show(match.v6)} is not an IPv6 address`);
  const host = match.v6 ?? match.host;
  const port = checkedPort(Number(match.port), text);
  return host ? { port, host } : { port };
}

function checkedPort(port: unknown, address: unknown): number {
  if (!Number.isInteger(port) || (port as number) < 0 || (port as number) > 65_535)
    throw invalidAddress(address, 'a port is a whole number from 0 to 65535');
  return port as number;
}

function invalidAddress(address: unknown, why = 'it has none of the known forms'): EndlessError {
  return new EndlessError(
    'ERR_ENDLESS_INVALID_ADDRESS',
    `Cannot listen on ${show(address)}: ${why}. Use ${FORMS}.`,
  );
}

/**
 * The address that a `server.listen` call asks for, from the options that Node publishes. Undefined for a
 * descriptor or a handle, and for an address that Node refuses.
 */
export function askedOf(options: Record<string, unknown>): Asked | undefined {
  if (typeof options.fd === 'number' || options._handle || options.handle) return undefined;
  // If the call got a handle, Node publishes the handle itself.
  if (typeof options.getsockname === 'function' || typeof options.listen === 'function') return undefined;
  const { port, host, path: socketPath } = options;
  if (port === undefined || port === null) {
    if (typeof socketPath === 'string') return { path: socketPath };
    return withHost(0, host);
  }
  const number = typeof port === 'string' && port.trim() !== '' ? Number(port) : port;
  if (!Number.isInteger(number) || (number as number) < 0 || (number as number) > 65_535) return undefined;
  return withHost(number as number, host);
}

function withHost(port: number, host: unknown): Asked {
  return typeof host === 'string' && host !== '' ? { port, host: canonicalHost(host) } : { port };
}

/** One spelling for each IP address: `::0` and `::` are the same host. */
function canonicalHost(host: string): string {
  if (!isIPv6(host)) return host.toLowerCase();
  const [address = host, zone] = host.split('%', 2);
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  return zone === undefined ? canonical : `${canonical}%${zone}`;
}

/** The address of a listening server; undefined if the kernel does not report one. */
export function boundOf(server: Server): Bound | undefined {
  const address = server.address();
  if (typeof address === 'string') return { path: address };
  return address ? { address: address.address, port: address.port } : undefined;
}

/** Formats an address for log lines and the `beforeBegin` hook. */
export function label(address: Asked | Bound): string {
  if ('path' in address) return `unix:${address.path}`;
  const host = 'address' in address ? address.address : (address.host ?? '');
  return `${isIPv6(host) ? `[${host}]` : host}:${address.port}`;
}

/**
 * How well an inherited socket fits the address asked for: 0 not at all, more is better.
 *
 * The same host text is the best match. Next is the address to which the socket is bound; `localhost` also
 * matches either loopback address. A wildcard never stands in for a single host or the other way round: that
 * would open, or close, the program to the world.
 */
export function matchOf(asked: Asked, socket: { asked: Asked; bound: Bound }): 0 | 1 | 2 | 3 {
  if ('path' in asked) {
    return 'path' in socket.bound && path.resolve(asked.path) === path.resolve(socket.bound.path) ? 3 : 0;
  }
  if ('path' in socket.bound || 'path' in socket.asked) return 0;
  const sameWords = asked.host === socket.asked.host;
  // Port 0 fits a socket that was asked for as port 0; any other port must be the bound one.
  if (asked.port === 0) return socket.asked.port === 0 && sameWords ? 3 : 0;
  if (asked.port !== socket.bound.port) return 0;
  if (sameWords) return 3;
  if (asked.host === socket.bound.address || (!asked.host && isWildcard(socket.bound.address))) return 2;
  if (asked.host === 'localhost' && isLoopback(socket.bound.address)) return 1;
  return 0;
}

/** The inherited socket that fits the address best, if one fits. */
export function bestOf<Socket extends { asked: Asked; bound: Bound }>(
  sockets: readonly Socket[],
  asked: Asked,
): Socket | undefined {
  let best: Socket | undefined;
  let bestMatch = 0;
  for (const socket of sockets) {
    const match = matchOf(asked, socket);
    if (match <= bestMatch) continue;
    best = socket;
    bestMatch = match;
  }
  return best;
}

function isWildcard(address: string): boolean {
  return address === '::' || address === '0.0.0.0';
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
