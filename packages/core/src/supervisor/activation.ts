import { fstatSync } from 'node:fs';
import type { ActivatedSocket } from '../handoff/activated.js';
import type { Bound } from '../listen/address.js';
import { unixSocketOf } from '../listen/unix-table.js';
import { rawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { takePassedDescriptors } from './passed-descriptors.js';

/** What systemd has opened for this process. */
export interface Activation {
  /** Listening sockets, as a predecessor would hand them over, with their handles. */
  sockets: ActivatedSocket[];
  /** Descriptor of the socket to the service manager, which `OpenFile=` has given the name `notify`. */
  notify: number | undefined;
  /** What cannot be used: descriptors that are not open, or an invalid count, each with the reason. */
  refused: string[];
}

/**
 * Reads which sockets systemd has opened, and removes those variables from the environment, so that no child
 * uses them. Undefined if they are missing, or meant for another process.
 */
export function takeActivation(world: World): Activation | undefined {
  const passed = takePassedDescriptors(world.env, world.pid);
  if (passed === undefined) return undefined;
  const activation: Activation = { sockets: [], notify: undefined, refused: [] };
  if (typeof passed === 'string') {
    activation.refused.push(passed);
    return activation;
  }
  for (const { fd, name } of passed) {
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
