import { closeSync, openSync, readFileSync } from 'node:fs';

/** Whether this process has a controlling terminal that can still be opened. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether this process has the keys of its terminal, so that Ctrl-C reaches it and it ends with the terminal; false where
 * the system does not tell (only Linux does).
 */
export function inForeground(): boolean {
  try {
    // The name of the program may hold spaces and brackets.
    const [, , group, , , foreground] =
      readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return group !== undefined && group === foreground;
  } catch {
    return false;
  }
}

/** From now on a line that the terminal no longer takes is lost, and not an error that ends the process with its requests. */
export function outliveTerminal(): void {
  for (const stream of [process.stdout, process.stderr])
    if (stream.isTTY)
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EIO' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
      });
}
