import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, type Stats } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UsageError } from '../program/program.js';

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

/** {@link controlPath} for a supervisor, which makes its folder. Throws if another user can open that. */
export function safeControlPath(directory: string): string {
  const socketPath = controlPath(directory);
  const folder = path.dirname(socketPath);
  if (!lstatSync(folder, { throwIfNoEntry: false })) mkdirSync(folder, { recursive: true, mode: 0o700 });
  checkFolder(folder, lstatSync(folder));
  return socketPath;
}

/** {@link controlPath} for a command. Throws if another user could have made what is there. */
export function checkedControlPath(directory: string): string {
  const socketPath = controlPath(directory);
  const folder = path.dirname(socketPath);
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  // Without a folder no supervisor runs: the attempt to connect reports that.
  if (stat) checkFolder(folder, stat);
  return socketPath;
}

function checkFolder(folder: string, stat: Stats): void {
  const why = faultOf(folder, stat);
  if (why !== undefined)
    throw new UsageError(`${folder} must be a folder of this user with mode 0700, and it ${why}`);
}

/** Why another user may control what is in this folder, and what mends that; undefined if none may. */
function faultOf(folder: string, stat: Stats): string | undefined {
  if (stat.isSymbolicLink()) return 'is a symbolic link. Remove it';
  if (!stat.isDirectory()) return 'is not a folder. Remove it';
  if (stat.uid !== process.geteuid?.())
    return `belongs to the user with id ${stat.uid}. Remove it, or use --control`;
  const mode = stat.mode & 0o777;
  if ((mode & 0o077) === 0) return undefined;
  return `has mode 0${mode.toString(8)}. Run \`chmod 700 ${folder}\``;
}
