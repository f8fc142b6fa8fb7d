import type { Server } from 'node:net';
import type { Server as TlsServer } from 'node:tls';

type Builtins = typeof process.getBuiltinModule;

/**
 * Loads a part of Node.js that most programs do not use. TLS and HTTP/2 alone are half a megabyte of live
 * objects, which every full garbage collection of the application would walk through.
 */
export const builtin: Builtins = (id: string) => process.getBuiltinModule(id) as never;

/** Whether a server speaks TLS, by a method that only such servers have. */
export function isTlsServer(server: Server): server is TlsServer {
  return 'setSecureContext' in server;
}
