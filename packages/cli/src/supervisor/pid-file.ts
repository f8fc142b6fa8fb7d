import { readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { UsageError } from '../program/program.js';

/** Writes the pid of the supervisor, which never changes; returns what removes the file again. */
export function writePidFile(file: string): () => void {
  const line = `${process.pid}\n`;
  const draft = `${file}.${process.pid}`;
  try {
    // No reader sees half of it.
    writeFileSync(draft, line, { flag: 'wx', mode: 0o644 });
    renameSync(draft, file);
  } catch (error) {
    // Such as a full disk: the next supervisor with this pid, often 1, starts with its own draft.
    rmSync(draft, { force: true });
    throw new UsageError(`--pid-file: ${(error as Error).message}`);
  }
  return () => {
    try {
      // Another supervisor may have written its own since.
      if (readFileSync(file, 'utf8') === line) unlinkSync(file);
    } catch {
      // It is gone.
    }
  };
}
