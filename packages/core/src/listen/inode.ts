import { statSync } from 'node:fs';

/** The inode of the socket at this path; undefined if the path is missing or not a socket. */
export function socketInode(file: string): string | undefined {
  try {
    const stat = statSync(file, { bigint: true });
    return stat.isSocket() ? `${stat.dev} ${stat.ino}` : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a path leads to the socket with this inode, or to a file that this process may not inspect. */
export function mayLeadTo(file: string, inode: string): boolean {
  try {
    statSync(file, { bigint: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'ENOENT' && code !== 'ENOTDIR';
  }
  return socketInode(file) === inode;
}
