import { readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Writes the pid file: whole, beside its place, then renamed onto it, so that no reader ever sees half a pid.
 * The path is made absolute by the caller, since the application may change its directory.
 */
export function writePidFile(file: string, pid: number): void {
  const draft = path.join(path.dirname(file), `.${path.basename(file)}.${pid}`);
  writeFileSync(draft, `${pid}\n`);
  renameSync(draft, file);
}

/** Removes the pid file if it still names this process; the successor's is left alone. */
export function removePidFile(file: string, pid: number): void {
  try {
    if (readFileSync(file, 'utf8').trim() === String(pid)) unlinkSync(file);
  } catch {
    // It is gone already, or was never ours to remove.
  }
}
