import { closeSync, openSync, readlinkSync, readSync } from 'node:fs';

/** The state of a listening socket, as the kernel prints it. */
const LISTEN = '0A';
/** Bytes of a table that are read at once. */
const PIECE = 16_384;

/** How many connections wait to be accepted on a listening socket; null for a unix socket, and without Linux. */
export function queueOf(fd: number): number | null {
  try {
    const socket = /\d+/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[0];
    for (const table of ['/proc/self/net/tcp', '/proc/self/net/tcp6'])
      for (const [, , , , queues = '', , , , , inode] of listeningRows(table))
        if (inode === socket) return Number.parseInt(queues.split(':')[1] ?? '', 16);
  } catch {
    // The system reports no sockets.
  }
  return null;
}

/** The rows of the listening sockets. They come first: those of connections can be many, and are not read. */
function* listeningRows(table: string): Generator<string[]> {
  const file = openSync(table, 'r');
  try {
    const piece = Buffer.alloc(PIECE);
    let text = '';
    for (let header = true; ; ) {
      const length = readSync(file, piece);
      const lines = `${text}${piece.toString('latin1', 0, length)}`.split('\n');
      text = lines.pop() ?? '';
      for (const line of lines.slice(header ? 1 : 0)) {
        const row = line.trim().split(/\s+/);
        if (row[3] !== LISTEN) return;
        yield row;
      }
      if (length === 0) return;
      header = false;
    }
  } finally {
    closeSync(file);
  }
}
