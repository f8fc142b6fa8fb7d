import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { freePort } from '@endless/testkit';
import { onTestFinished } from 'vitest';
import { fixture, hup, type Served, type ServeOptions, serve, temporaryFolder } from './program.js';

/** The program `secure.mjs`: http, https, HTTP/2 over TLS with HTTP/1 beside it, and HTTP/2 in the clear. */
export interface Secure extends Served {
  ports: Record<'http' | 'https' | 'h2' | 'h2c', number>;
  /** Puts a certificate in the place from which each generation reads it. */
  install(name: 'first' | 'second'): void;
}

/** Starts it with the first certificate and, by default, without a rollback window. */
export async function serveSecure(
  settings: object = {},
  node?: string,
  options: ServeOptions = {},
): Promise<Secure> {
  const folder = temporaryFolder();
  const install = (name: string) => {
    for (const kind of ['cert', 'key'])
      copyFileSync(fixture(`tls/${name}.${kind}.pem`), path.join(folder, `${kind}.pem`));
  };
  install('first');
  const ports = { https: await freePort(), h2: await freePort(), h2c: await freePort() };
  const env = {
    TLS_FOLDER: folder,
    TLS_PORT: String(ports.https),
    H2_PORT: String(ports.h2),
    H2C_PORT: String(ports.h2c),
  };
  const served = await serve(
    'secure.mjs',
    { rollbackWindow: 0, ...settings },
    { ...options, env, ...(node && { node }) },
  );
  return { ...served, ports: { ...ports, http: served.port }, install };
}

/** How its drain begins. */
export const ENDINGS = {
  'a restart': async ({ program }: Served) => {
    await hup(program);
    await program.waitFor('Listener closed.');
  },
  'a shutdown': async ({ program }: Served) => {
    program.signal('SIGTERM');
    await program.waitFor('Listener closed.');
  },
};

/** A TLS connection that is established, and is ended with the test. */
export function openTls(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () =>
      resolve(socket),
    ).once('error', reject);
    onTestFinished(() => void socket.destroy());
  });
}

/** Sends one request of HTTP/1.1 and resolves with its answer; rejects if the connection is closed. */
export function exchange(socket: TLSSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    const closed = () => reject(new Error('the connection was closed'));
    socket.once('close', closed).once('data', (bytes) => {
      socket.off('close', closed);
      resolve(bytes.toString());
    });
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  });
}
