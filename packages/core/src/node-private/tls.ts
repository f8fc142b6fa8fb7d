import type { Server } from 'node:tls';
import { builtin } from '../builtin.js';

/** The private parts of a TLS server that endless uses. */
interface Internals {
  /** The keys that were given as an option. */
  ticketKeys?: unknown;
  /** Sessions that another context has begun are not resumed. */
  sessionIdContext?: string;
  _sharedCreds?: { context: { setSessionIdContext?(context: string): void } };
}

/** The servers whose keys stay. */
const keeping = new WeakSet<Server>();

/** The context of the sessions of all workers. */
const CONTEXT = 'endless';

/** Whether the application has given a TLS server its session ticket keys as an option. */
export function givenTicketKeys(server: Server): boolean {
  return (server as unknown as Internals).ticketKeys !== undefined;
}

/**
 * Lets a TLS server resume the sessions of another release. By default Node.js derives the context of a session
 * from the arguments of the process, and the path of the script differs.
 */
export function shareSessions(server: Server): void {
  const internals = server as unknown as Internals;
  if (internals.sessionIdContext !== defaultContext()) return;
  internals._sharedCreds?.context.setSessionIdContext?.(CONTEXT);
}

/** Keeps the ticket keys of a server when the application gives it a new certificate: Node.js makes new ones. */
export function keepTicketKeys(server: Server): void {
  if (keeping.has(server)) return;
  keeping.add(server);
  const { setSecureContext } = server;
  server.setSecureContext = (options) => {
    const keys = server.getTicketKeys();
    setSecureContext.call(server, options);
    if (givenTicketKeys(server)) return;
    server.setTicketKeys(keys);
    shareSessions(server);
  };
}

function defaultContext(): string {
  const { createHash } = builtin('node:crypto');
  return createHash('sha1').update(process.argv.join(' ')).digest('hex').slice(0, 32);
}
