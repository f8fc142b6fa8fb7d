import type { Servers } from '../connections/servers.js';
import type { Log } from '../log.js';
import type { World } from '../world.js';

/** Logs the requests in flight when other code exits, such as an application's listener; returns the undo. */
export function reportEarlyExit(world: World, servers: Servers, log: Log): () => void {
  return world.onExit(() => {
    const requests = servers.activeRequests;
    if (requests > 0)
      log.warn(`The process exits before it has drained. Requests in flight that are cut off: ${requests}.`);
  });
}
