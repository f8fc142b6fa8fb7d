import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import type { Bound } from '../listen/address.js';
import { privateServers } from '../listen/private-servers.js';
import { bindBesidePath, isFilePath } from '../listen/unix-path.js';
import type { RawHandle } from '../node-private/handle.js';
import { listeningHandle, onListeningHandle, setListeningHandle } from '../node-private/listening.js';

/**
 * Binds the address of an inherited socket that was lost with the old process; rejects with Node's error. The
 * handle does not listen yet.
 */
export async function bindLike(bound: Bound, ipv6Only: boolean): Promise<RawHandle> {
  const carrier = createServer();
  privateServers.add(carrier);
  if ('path' in bound && isFilePath(bound.path)) {
    bindBesidePath(carrier, bound.path);
    if (listeningHandle(carrier)) return taken(carrier);
  }
  listenLater(carrier);
  carrier.listen(
    'path' in bound ? bound : { host: bound.address, port: bound.port, ipv6Only, exclusive: true },
  );
  await once(carrier, 'listening');
  const handle = taken(carrier);
  Reflect.deleteProperty(handle, 'listen');
  return handle;
}

/** Makes a server emit `'listening'` once it has bound; libuv keeps a bind error for the next call. */
function listenLater(server: Server): void {
  onListeningHandle(server, (handle) => {
    handle.listen = () => handle.getsockname?.({}) ?? 0;
  });
}

function taken(carrier: Server): RawHandle {
  const handle = listeningHandle(carrier) as RawHandle;
  setListeningHandle(carrier, null);
  return handle;
}
