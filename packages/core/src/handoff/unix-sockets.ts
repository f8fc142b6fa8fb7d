import { EndlessError } from '../errors.js';
import { label } from '../listen/address.js';
import { mayLeadTo } from '../listen/inode.js';
import { KeptPaths } from '../listen/kept-paths.js';
import { adoptPath, inheritedPath, isFilePath, pathOf } from '../listen/unix-path.js';
import type { Log } from '../log.js';
import type { World } from '../world.js';
import type { ListeningSocket } from './successor.js';

/**
 * Gives each unix socket that is handed over a second name. A socket whose path is already gone is not handed
 * over: the new program binds it again. Throws `ERR_ENDLESS_UNIX_PATH` if the exit of this process would
 * remove the path for good.
 */
export function keepPathsOf(
  listeningSockets: readonly ListeningSocket[],
  world: World,
  log: Log,
): { paths: KeptPaths; listeningSockets: ListeningSocket[] } {
  const paths = new KeptPaths(world);
  const along = listeningSockets.flatMap((listeningSocket): ListeningSocket[] => {
    const { bound, handle, activated } = listeningSocket;
    if (!('path' in bound) || !isFilePath(bound.path)) return [listeningSocket];
    const known = pathOf(handle);
    const own = known ?? adoptPath(handle, inheritedPath(bound.path));
    if (known?.inode !== undefined && !activated && !mayLeadTo(own.path, known.inode)) {
      log.warn(`${label(bound)} does not lead to this process any more: the new process binds it again.`);
      return [];
    }
    const kept = paths.add(own);
    if (kept === undefined && !known && !activated) {
      paths.end();
      throw new EndlessError(
        'ERR_ENDLESS_UNIX_PATH',
        `A restart would remove ${label(bound)}: Node.js has bound it and removes it with this process, and its folder does not support hard links. Stop the program and start it, or use a folder with hard links.`,
      );
    }
    return [{ ...listeningSocket, ...(kept !== undefined && { kept }) }];
  });
  return { paths, listeningSockets: along };
}

/** Why a ready successor must not take over, if a path no longer leads to its socket. */
export function pathsLost(lost: readonly string[]): EndlessError | undefined {
  if (lost.length === 0) return undefined;
  return new EndlessError(
    'ERR_ENDLESS_UNIX_PATH',
    `The successor is ready, and ${lost.join(', ')} does not lead to its socket: a program has removed or replaced it, and endless cannot restore it.`,
  );
}
