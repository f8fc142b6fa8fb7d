import { UsageError } from '../program/program.js';
import type { DrillFlags } from './flags.js';
import { addressesOf } from './local.js';
import { probe } from './probe.js';
import { requestsFor, type Target, type Where } from './target.js';

/** The server does not answer before the drill, or the program does not start. */
export class NotServing extends Error {}

/** The server at `--url`, which answers each of the paths. */
export async function targetAt(text: string, flags: DrillFlags): Promise<Target> {
  const url = urlOf(text);
  const tls = url.protocol === 'https:';
  const port = Number(url.port || (tls ? 443 : 80));
  const paths = flags.path ?? [`${url.pathname}${url.search}`];
  const authority = url.host;
  const requests = requestsFor(paths, authority, flags);
  const found: Error[] = [];
  for (const host of await addressesOf(url.hostname, flags.yesReally)) {
    const target: Target = { name: url.origin, where: { host, port }, tls, authority, requests };
    try {
      return await checked(target);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      found.push(error as Error);
    }
  }
  throw new NotServing(`${url.origin} does not answer: ${found[0]?.message}`);
}

/** The server at an address as the supervisor shows it, such as `0.0.0.0:9090` or `unix:/run/app`; http or https. */
export async function targetOfProgram(address: string, flags: DrillFlags): Promise<Target> {
  const { where, authority } = whereOf(address);
  const requests = requestsFor(flags.path ?? ['/'], authority, flags);
  const found: Error[] = [];
  for (const tls of [false, true]) {
    const name = 'path' in where ? address : `${tls ? 'https' : 'http'}://${authority}`;
    try {
      return await checked({ name, where, tls, authority, requests });
    } catch (error) {
      if (error instanceof UsageError) throw error;
      found.push(error as Error);
    }
  }
  throw new NotServing(`the program listens on ${address} and does not answer: ${found[0]?.message}`);
}

/** Asks for each path once. A path that fails without any restart proves nothing. */
async function checked(target: Target): Promise<Target> {
  for (const request of target.requests) {
    const status = await probe(target, request);
    if (status >= 500)
      throw new UsageError(
        `${request.method} ${request.path} gets status ${status} before any restart: name another --path`,
      );
  }
  return target;
}

function urlOf(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new UsageError(`--url must be such as http://localhost:9090/; it is ${text}`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new UsageError(`--url must begin with http:// or https://; it is ${text}`);
  return url;
}

function whereOf(address: string): { where: Where; authority: string } {
  if (address.startsWith('unix:')) return { where: { path: address.slice(5) }, authority: 'localhost' };
  const [, host = '', port] = /^\[?(.*?)\]?:(\d+)$/.exec(address) ?? [];
  // All addresses of this machine: one of them is enough.
  const one = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const authority = `${one.includes(':') ? `[${one}]` : one}:${port}`;
  return { where: { host: one, port: Number(port) }, authority };
}
