import { mayLeadTo } from './inode.js';
import { isLinked } from './second-names.js';

/** The path of a unix socket, as the process knows it that listens there. */
export interface OwnPath {
  /** Absolute: the application may change its directory. */
  readonly path: string;
  /** Which inode is ours; what another program has put there since is not. */
  readonly inode: string | undefined;
  /** A second name of the socket, which its predecessor has made. */
  readonly given?: string;
  /** Whether this process has given the path up, by closing the socket as the last that listens there. */
  removed: boolean;
}

/** Puts a path back by a second name of its socket if it is missing; returns whether it leads there. */
export function putBack({ path: socketPath, inode, removed }: OwnPath, name: string | undefined): boolean {
  if (removed || inode === undefined || mayLeadTo(socketPath, inode)) return true;
  return name !== undefined && isLinked(name, socketPath);
}
