import { readdirSync, readFileSync } from 'node:fs';

/** Lists the living processes that were started with this environment entry. A zombie has no environment, so it is not among them. */
export function pidsWithEnv(name: string, value: string): number[] {
  const entry = Buffer.from(`${name}=${value}\0`);
  return readdirSync('/proc')
    .filter((file) => /^\d+$/.test(file))
    .map(Number)
    .filter((pid) => environOf(pid)?.includes(entry));
}

function environOf(pid: number): Buffer | undefined {
  try {
    return readFileSync(`/proc/${pid}/environ`);
  } catch {
    // Gone in the meantime, or somebody else's.
    return undefined;
  }
}

/** Sends a signal; false if there is no such process any more. */
export function tryKill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
