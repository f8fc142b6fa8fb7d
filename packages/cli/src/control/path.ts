import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** The control socket of the supervisor that was started in this directory. */
export function controlPath(directory: string): string {
  const uid = process.geteuid?.() ?? 0;
  const name =
    path
      .basename(directory)
      .replace(/[^\w.-]/g, '_')
      .slice(0, 16) || 'root';
  const hash = createHash('sha256').update(directory).digest('hex').slice(0, 12);
  return path.join(tmpdir(), `endless-run-${uid}`, `${name}-${hash}.sock`);
}

/** {@link controlPath} in a folder that only this user can open. Throws if the folder is not safe. */
export function safeControlPath(directory: string): string {
  const socketPath = controlPath(directory);
  const folder = path.dirname(socketPath);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  const mine = stat.isDirectory() && stat.uid === process.geteuid?.();
  if (!mine || (stat.mode & 0o077) !== 0)
    throw new Error(`${folder} must be a folder of this user with mode 0700`);
  return socketPath;
}
