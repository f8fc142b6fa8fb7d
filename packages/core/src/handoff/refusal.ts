import { messageOf } from '../errors.js';
import type { Bound } from '../listen/address.js';
import { tellsUnixSockets, unixSocketOf } from '../listen/unix-table.js';
import type { RawHandle } from '../node-private/handle.js';

/** Why a handle is not the listening socket of an address, or undefined if it may be that. */
export function refusalOf(handle: RawHandle, bound: Bound): string | undefined {
  try {
    const actual: { address?: string; port?: number } = {};
    handle.getsockname?.(actual);
    if ('path' in bound) {
      if (handle.getsockname) return 'it is not a unix socket';
      return tellsUnixSockets() && !unixSocketOf(handle.fd)?.listening
        ? 'it is not a listening unix socket'
        : undefined;
    }
    return actual.port === bound.port && actual.address === bound.address
      ? undefined
      : `it is bound to ${actual.address ?? 'nothing'}:${actual.port ?? ''}`;
  } catch (error) {
    return messageOf(error);
  }
}
