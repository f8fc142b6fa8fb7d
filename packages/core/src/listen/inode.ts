import { statSync } from 'node:fs';

/** Which inode a name leads to where that is a socket; undefined where it is anything else or nothing. */
export function socketInode(file: string): string | undefined {
  try {
    const stat = statSync(file, { bigint: true });
    return stat.isSocket() ? `${stat.dev} ${stat.ino}` : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a name leads to the socket with this inode, or to something that this process may not look at. */
export function mayLeadTo(file: string, inode: string): boolean {
  try {
    statSync(file, { bigint: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'ENOENT' && code !== 'ENOTDIR';
  }
  return socketInode(file) === inode;
}
