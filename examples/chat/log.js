import { appendFileSync, closeSync, fstatSync, openSync, readSync, watch } from 'node:fs';

/**
 * What was said, in a file that the old and the new process both append to and read: while connections move, some clients
 * are on the one and some on the other. A position in it is a number of bytes, and moves with each connection.
 */
export function openLog(path) {
  const file = openSync(path, 'a+');
  return {
    /** Adds an entry; whole, and after all others. */
    add: (entry) => appendFileSync(file, `${JSON.stringify(entry)}\n`),
    /** Where it ends now. */
    end: () => fstatSync(file).size,
    /** The entries from a position on, each with the position behind it. */
    from(position) {
      const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - position));
      readSync(file, bytes, 0, bytes.length, position);
      let next = position;
      // What is behind the last line end is still being written.
      const lines = bytes.toString().split('\n').slice(0, -1);
      return lines.map((line) => {
        next += Buffer.byteLength(line) + 1;
        return { ...JSON.parse(line), next };
      });
    },
    /** Calls `fn` whenever something was added, here or in the other process; returns the undo. */
    onAdded(fn) {
      const watcher = watch(path, fn);
      return () => watcher.close();
    },
    close: () => closeSync(file),
  };
}
