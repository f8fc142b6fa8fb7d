import { readdirSync, readFileSync } from 'node:fs';

/** Lists the living processes that started with this environment entry, without zombies, which have no environment. */
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
    // The process has exited in the meantime, or belongs to another user.
    return undefined;
  }
}

/** Sends a signal; returns false if the process no longer exists. */
export function tryKill(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
