import { readFileSync } from 'node:fs';
import type { TcpNetConnectOpts } from 'node:net';
import { UsageError } from '../program/program.js';
import type { DrillFlags } from './flags.js';

/** Where the server is reached. */
export type Where = Pick<TcpNetConnectOpts, 'host' | 'port'> | { path: string };

/** A server, and what it is asked for. */
export interface Target {
  /** For people. */
  name: string;
  where: Where;
  tls: boolean;
  /** The value of the header `Host`. */
  authority: string;
  requests: readonly TargetRequest[];
}

/** One request of a drill. */
export interface TargetRequest {
  method: string;
  path: string;
  /** Its bytes on a connection that stays open, and on one that does not. */
  kept: Buffer;
  fresh: Buffer;
}

/** What each request has, from the flags. */
export type RequestFlags = Pick<DrillFlags, 'method' | 'body' | 'header'>;

const NOT_OURS = /^(host|connection|content-length|transfer-encoding|upgrade|expect)$/i;

/** The requests for these paths. Throws {@link UsageError} for what cannot be sent. */
export function requestsFor(
  paths: readonly string[],
  authority: string,
  { method, body, header = [] }: RequestFlags,
): TargetRequest[] {
  const verb = method ?? (body === undefined ? 'GET' : 'POST');
  if (!/^[A-Z]+$/.test(verb)) throw new UsageError(`--method must be such as GET or POST; it is ${verb}`);
  const headers = header.map(checkHeader);
  const bytes = body === undefined ? undefined : bodyOf(body);
  return paths.map((path) => {
    if (!/^\/[\x21-\x7e]*$/.test(path)) throw new UsageError(`--path must be such as /items?page=1: ${path}`);
    const head = [`${verb} ${path} HTTP/1.1`, `Host: ${authority}`, ...headers];
    if (bytes) head.push(`Content-Length: ${bytes.length}`);
    const whole = (last: string[]) =>
      Buffer.concat([
        Buffer.from([...head, ...last, '', ''].join('\r\n'), 'latin1'),
        ...(bytes ? [bytes] : []),
      ]);
    return { method: verb, path, kept: whole([]), fresh: whole(['Connection: close']) };
  });
}

function checkHeader(header: string): string {
  const [, name = '', value = ''] =
    /^([!#$%&'*+.^_`|~\w-]+):[ \t]*([\x20-\x7e\x80-\xff]*)$/.exec(header) ?? [];
  if (name === '') throw new UsageError(`--header must be such as 'Name: value'; it is ${header}`);
  if (NOT_OURS.test(name)) throw new UsageError(`--header cannot set ${name}: the drill does`);
  return `${name}: ${value}`;
}

/** The text itself, or the content of the file behind an `@`. */
function bodyOf(body: string): Buffer {
  if (!body.startsWith('@')) return Buffer.from(body);
  try {
    return readFileSync(body.slice(1));
  } catch (error) {
    throw new UsageError(`--body cannot be read: ${(error as Error).message}`);
  }
}

/** The server name for TLS: a name, and never an address. */
export function serverName(authority: string): { servername?: string } {
  const name = authority.replace(/:\d+$/, '');
  return /^(\d+(\.\d+){3}|\[.*\])$/.test(name) ? {} : { servername: name };
}
