import { mayLeadTo } from './inode.js';
import { isLinked } from './second-names.js';

/** The path of a unix socket on which this process listens. */
export interface OwnPath {
  /** Absolute: the application may change its directory. */
  readonly path: string;
  /** The inode of this process's socket: a file that another program has put there since differs. */
  readonly inode: string | undefined;
  /** A second name of the socket, made by the predecessor. */
  readonly given?: string;
  /** Whether this process has given up the path, by closing the socket as the last that listens there. */
  removed: boolean;
}

/** Restores a missing path from a second name of its socket; returns whether the path leads there. */
export function putBack({ path: socketPath, inode, removed }: OwnPath, name: string | undefined): boolean {
  if (removed || inode === undefined || mayLeadTo(socketPath, inode)) return true;
  return name !== undefined && isLinked(name, socketPath);
}
