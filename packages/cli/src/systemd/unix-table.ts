import { fstatSync, readFileSync } from 'node:fs';

/** What the system reports about a unix socket and Node.js does not. */
export interface UnixSocket {
  listening: boolean;
  /** The name to which it was bound, with a leading NUL if that is not a file. */
  name: string | undefined;
}

/** The flags of a stream socket on which `listen` was called, as the kernel prints them. */
const LISTENING = '00010000';

/** The unix socket of a descriptor; undefined for another kind, or without Linux's `/proc/net/unix`. */
export function unixSocketOf(fd: number): UnixSocket | undefined {
  const inode = String(fstatSync(fd, { bigint: true }).ino);
  for (const line of unixTable()) {
    const [, , , flags, , , socket, ...name] = line.trim().split(' ').filter(Boolean);
    if (socket !== inode) continue;
    const bound = name.join(' ');
    return { listening: flags === LISTENING, name: bound === '' ? undefined : bound.replace(/^@/, '\0') };
  }
  return undefined;
}

function unixTable(): string[] {
  try {
    return readFileSync('/proc/net/unix', 'utf8').split('\n').slice(1, -1);
  } catch {
    return [];
  }
}
