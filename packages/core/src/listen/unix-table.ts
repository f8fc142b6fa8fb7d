import { fstatSync, readFileSync } from 'node:fs';

/** What the system knows of a unix socket that Node.js does not tell. */
export interface UnixSocket {
  listening: boolean;
  /** The name that it was bound to, with a NUL in front where that is no file. */
  name: string | undefined;
}

/** A stream socket on which `listen` was called, as the kernel prints it. */
const LISTENING = '00010000';

/** The unix socket behind a descriptor; undefined where that is none, or where the system does not tell (only Linux does). */
export function unixSocketOf(fd: number): UnixSocket | undefined {
  const inode = String(fstatSync(fd, { bigint: true }).ino);
  for (const line of unixTable()) {
    const [, , , flags, , , socket, ...name] = line.trim().split(' ').filter(Boolean);
    if (socket !== inode) continue;
    const bound = name.join(' ');
    return {
      listening: flags === LISTENING,
      name: bound === '' ? undefined : bound.replace(/^@/, '\0'),
    };
  }
  return undefined;
}

/** The names to which unix sockets of this system are bound, as they were given; none where the system does not tell. */
export function boundNames(): string[] {
  return unixTable().flatMap((line) => line.trim().split(/ +/).slice(7).join(' ') || []);
}

/** Whether the system tells at all. */
export function tellsUnixSockets(): boolean {
  return unixTable().length > 0;
}

function unixTable(): string[] {
  try {
    return readFileSync('/proc/net/unix', 'utf8').split('\n').slice(1, -1);
  } catch {
    return [];
  }
}
