import { readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';

/** Writes the pid of the supervisor, which never changes; returns what removes the file again. */
export function writePidFile(file: string): () => void {
  const line = `${process.pid}\n`;
  const draft = `${file}.${process.pid}`;
  // No reader sees half of it.
  writeFileSync(draft, line, { flag: 'wx', mode: 0o644 });
  renameSync(draft, file);
  return () => {
    try {
      // Another supervisor may have written its own since.
      if (readFileSync(file, 'utf8') === line) unlinkSync(file);
    } catch {
      // It is gone.
    }
  };
}
