import { fstatSync } from 'node:fs';
import { unixSocketOf } from '@endless/core/internal';
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

/** The first descriptor by systemd's rules. */
const FIRST = 3;
/** More than any unit opens: a higher count is invalid. */
const MOST = 1_024;

/** Reads which descriptors systemd has opened for this process, and forgets those variables. */
export function takeActivation(env: NodeJS.ProcessEnv = process.env): Activation {
  const { LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES } = env;
  const activation: Activation = { sockets: [], notify: undefined, refused: [] };
  if (LISTEN_PID !== String(process.pid)) return activation;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const count = Number(LISTEN_FDS);
  if (!Number.isInteger(count) || count < 0 || count > MOST) {
    activation.refused.push(`LISTEN_FDS is ${LISTEN_FDS}`);
    return activation;
  }
  const names = LISTEN_FDNAMES?.split(':') ?? [];
  for (let fd = FIRST; fd < FIRST + count; fd += 1) {
    const name = names[fd - FIRST] ?? 'unknown';
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
