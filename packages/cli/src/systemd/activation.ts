import { fstatSync } from 'node:fs';
import { takePassedDescriptors, unixSocketOf } from '@endless/core/internal';
import type { HeldSocket } from '../supervisor/held-sockets.js';
import type { Bound } from '../workers/messages.js';
import { addressOf, handleAround } from '../workers/node-private.js';

/** What systemd has opened for this process. */
export interface Activation {
  /** The listening sockets of its `.socket` units. */
  sockets: HeldSocket[];
  /** Descriptor of the socket to the service manager, which `OpenFile=` has given the name `notify`. */
  notify: number | undefined;
  /** What the workers do not get, each with the reason. */
  refused: string[];
}

/** Reads which descriptors systemd has opened for this process, and forgets those variables. */
export function takeActivation(env: NodeJS.ProcessEnv = process.env): Activation {
  const passed = takePassedDescriptors(env, process.pid) ?? [];
  const activation: Activation = { sockets: [], notify: undefined, refused: [] };
  if (typeof passed === 'string') {
    activation.refused.push(passed);
    return activation;
  }
  for (const { fd, name } of passed) {
    try {
      if (name === 'notify' && fstatSync(fd).isSocket()) activation.notify = fd;
      else activation.sockets.push(socketAt(fd));
    } catch (error) {
      activation.refused.push(`descriptor ${fd} (${name}): ${(error as Error).message}`);
    }
  }
  return activation;
}

/** The listening socket of a descriptor, as if asked for by its bound address. */
function socketAt(fd: number): HeldSocket {
  if (!fstatSync(fd).isSocket()) throw new Error('it is not a socket');
  const unix = unixSocketOf(fd);
  if (unix && (!unix.listening || unix.name === undefined)) throw new Error('it is not a listening socket');
  const handle = handleAround(fd);
  const bound: Bound | undefined = unix?.name === undefined ? addressOf(handle) : { path: unix.name };
  if (!bound) throw new Error('it is not a listening socket');
  const asked = 'path' in bound ? bound : { port: bound.port, host: bound.address };
  return { asked, bound, handle };
}
