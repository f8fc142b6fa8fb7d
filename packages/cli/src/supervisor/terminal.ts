import { closeSync, openSync, readFileSync } from 'node:fs';

const had = hasTerminal();

/** Whether the terminal is gone from which this process was started: SIGHUP means that, and no restart. */
export function terminalIsGone(): boolean {
  return had && !hasTerminal();
}

/** Whether this process is in the foreground of its terminal; true where the system does not report it. */
export function inForeground(): boolean {
  try {
    // The program name in this line may contain spaces and brackets.
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return fields[2] === fields[5];
  } catch {
    return true;
  }
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
