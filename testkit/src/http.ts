import http from 'node:http';
import net from 'node:net';

/** One request on a connection of its own. */
export interface GetOptions {
  port?: number;
  /** Default `127.0.0.1`. */
  host?: string;
  /** A unix socket instead of `port` and `host`. */
  socketPath?: string;
  /** The request target. Default `/`. */
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  body?: Buffer | string;
  /** Milliseconds for the whole exchange. Default 5000. */
  timeout?: number;
}

/** An answer. */
export interface GetResponse {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

/** Sends one request on a fresh connection; rejects without a whole answer. */
export function get(where: string | GetOptions): Promise<GetResponse> {
  const { body, timeout = 5000, ...rest } = typeof where === 'string' ? fromUrl(where) : where;
  const options = { host: '127.0.0.1', ...rest, agent: false, signal: AbortSignal.timeout(timeout) };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

function fromUrl(text: string): GetOptions {
  const { hostname, port, pathname, search } = new URL(text);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 80), path: pathname + search };
}

/** How `rawExchange` waits. */
export interface RawExchangeOptions {
  /** `127.0.0.1` if not given. */
  host?: string;
  /** Milliseconds until it stops reading. Default 1000. */
  timeout?: number;
}

/** Writes bytes on a fresh connection; resolves with all bytes (as latin1) received until its close or the timeout. */
export function rawExchange(
  where: number | string,
  bytes: Buffer | string,
  { host = '127.0.0.1', timeout = 1000 }: RawExchangeOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = net.connect(typeof where === 'number' ? { port: where, host } : { path: where });
    const timer = setTimeout(() => socket.destroy(), timeout);
    let connected = false;
    let failure: Error | undefined;
    socket.on('connect', () => {
      connected = true;
      socket.write(bytes);
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      clearTimeout(timer);
      if (failure && !connected) reject(failure);
      else resolve(Buffer.concat(chunks).toString('latin1'));
    });
  });
}
