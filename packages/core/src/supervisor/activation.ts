import { fstatSync } from 'node:fs';
import type { ActivatedSocket } from '../handoff/activated.js';
import type { Bound } from '../listen/address.js';
import { unixSocketOf } from '../listen/unix-table.js';
import { rawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';

/** What systemd has opened for this process. */
export interface Activation {
  /** Listening sockets, as a predecessor would hand them over, with their handles. */
  sockets: ActivatedSocket[];
  /** Descriptor of the socket to the service manager, which `OpenFile=` has given the name `notify`. */
  notify: number | undefined;
  /** What cannot be used: descriptors that are not open, or an invalid count, each with the reason. */
  refused: string[];
}

/** The first descriptor by systemd's rules. */
const FIRST = 3;
/** More than any unit opens: a higher count is invalid. */
const MOST = 1_024;

/**
 * Reads which sockets systemd has opened, and removes those variables from the environment, so that no child
 * uses them. Undefined if they are missing, or meant for another process.
 */
export function takeActivation(world: World): Activation | undefined {
  const { env } = world;
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env;
  if (LISTEN_PID === undefined || LISTEN_PID !== String(world.pid)) return undefined;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const count = Number(LISTEN_FDS);
  const activation: Activation = { sockets: [], notify: undefined, refused: [] };
  if (!Number.isInteger(count) || count < 0 || count > MOST) {
    activation.refused.push(`LISTEN_FDS is ${LISTEN_FDS}`);
    return activation;
  }
  const names = LISTEN_FDNAMES?.split(':') ?? [];
  for (let fd = FIRST; fd < FIRST + count; fd += 1) {
    const name = names[fd - FIRST] ?? 'unknown';
    try {
      if (!fstatSync(fd, { bigint: true }).isSocket()) continue;
      if (name === 'notify') activation.notify = fd;
      else activation.sockets.push(...socketAt(fd));
    } catch (error) {
      activation.refused.push(`descriptor ${fd} (${name}): ${(error as NodeJS.ErrnoException).code}`);
    }
  }
  return activation;
}

/** The listening socket of a descriptor, as if asked for by its bound address; empty for another kind. */
function socketAt(fd: number): ActivatedSocket[] {
  const bound = boundAt(fd);
  if (!bound) return [];
  const asked = 'path' in bound ? bound : { port: bound.port, host: bound.address };
  return [{ handle: rawHandle(fd), asked, bound, activated: true }];
}

function boundAt(fd: number): Bound | undefined {
  const unix = unixSocketOf(fd);
  if (unix) return unix.listening && unix.name !== undefined ? { path: unix.name } : undefined;
  const address: { address?: string; port?: number } = {};
  try {
    rawHandle(fd).getsockname?.(address);
  } catch {
    // A datagram socket, or one of a family that Node.js does not know: left to the application.
  }
  return address.address === undefined || address.port === undefined
    ? undefined
    : { address: address.address, port: address.port };
}
