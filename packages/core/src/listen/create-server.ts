import { readFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { Server } from 'node:net';
import type { TlsOptions } from 'node:tls';
import { builtin } from '../builtin.js';
import { checkBoolean, checkCount, checkFunction, checkLimit, unknownOption } from '../checks.js';
import { EndlessError, invalidOption, show } from '../errors.js';

/** Node's TLS options, or two files that each generation reads again. */
export type Tls = TlsOptions | { certFile: string; keyFile: string };

/** The options of one server, which override the process-wide settings. All durations are milliseconds. */
export interface ListenOptions {
  /** Time for a whole request to arrive. */
  readTimeout?: number;
  /** Time for a whole response to be written. */
  writeTimeout?: number;
  /** Largest request head in bytes. */
  maxHeaderBytes?: number;
  /** Serve over TLS. */
  tls?: Tls;
  /** Serve HTTP/2; over TLS, HTTP/1.1 too, as the client chooses. Default false. */
  http2?: boolean;
  /** Whether live connections of this server move to the successor. Default: the setting `migrate`. */
  migrate?: boolean;
  /** Called with the address as given before this server begins to accept. */
  beforeBegin?: (address: unknown) => void;
}

/** Throws `ERR_ENDLESS_INVALID_OPTION` if an option of a server is invalid. */
export function checkListenOptions(options: ListenOptions): void {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', options, 'an object');
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name as keyof ListenOptions] : undefined;
    if (!check) throw unknownOption(name, Object.keys(CHECKS));
    if (value !== undefined) check(name, value);
  }
}

const CHECKS: Record<keyof ListenOptions, (name: string, value: unknown) => void> = {
  readTimeout: checkLimit,
  writeTimeout: checkLimit,
  maxHeaderBytes: (name, value) => checkCount(name, value, 1),
  tls(name, value) {
    if (typeof value !== 'object' || value === null)
      throw invalidOption(name, value, "Node's TLS options or { certFile, keyFile }");
  },
  http2: checkBoolean,
  migrate: checkBoolean,
  beforeBegin: checkFunction,
};

/** The server for an app: a new one for a request listener, or the ready-made server itself. */
export function serverFor(app: unknown, options: ListenOptions): Server {
  if (app instanceof Server) {
    for (const name of ['tls', 'http2'] as const)
      if (options[name] !== undefined)
        throw invalidOption(
          name,
          options[name],
          'left out when a ready-made server is given: the server has its own',
        );
    return app;
  }
  if (typeof app !== 'function')
    throw new EndlessError(
      'ERR_ENDLESS_INVALID_APP',
      `Cannot serve ${show(app)}: give a request listener or a net.Server; for a Koa or Fastify app use \`endless\` from @endless/koa or @endless/fastify.`,
    );
  const listener = app as RequestListener;
  const tls = options.tls && readTls(options.tls);
  if (options.http2) {
    const onRequest = app as (request: Http2ServerRequest, response: Http2ServerResponse) => void;
    const { createSecureServer, createServer } = builtin('node:http2');
    return tls ? createSecureServer({ allowHTTP1: true, ...tls }, onRequest) : createServer(onRequest);
  }
  return tls ? builtin('node:https').createServer(tls, listener) : createServer(listener);
}

/** Throws unless the value is a server. */
export function checkServer(server: unknown): void {
  if (server instanceof Server) return;
  throw new EndlessError(
    'ERR_ENDLESS_INVALID_APP',
    `Cannot keep the connections of ${show(server)}: give the net.Server that listens, such as what \`app.listen()\` returns in Express and Koa, or \`app.server\` in Fastify.`,
  );
}

function readTls(tls: Tls): TlsOptions {
  if (!('certFile' in tls || 'keyFile' in tls)) return tls;
  const { certFile, keyFile, ...rest } = tls as { certFile: string; keyFile: string };
  return { ...rest, cert: readFileSync(certFile), key: readFileSync(keyFile) };
}
