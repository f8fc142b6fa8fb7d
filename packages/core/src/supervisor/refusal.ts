import cluster from 'node:cluster';
import { isMainThread } from 'node:worker_threads';
import { EndlessError } from '../errors.js';
import type { ResolvedSettings } from '../settings.js';
import type { World } from '../world.js';
import type { Surroundings } from './surroundings.js';

/** Why a restart is not supported here: because of this process, or of a process that waits for it. */
export function whyUnsupported(
  world: World,
  surroundings: Surroundings | undefined,
  { allowOrphaning, pidFile }: ResolvedSettings,
): EndlessError | undefined {
  if (!isMainThread || cluster.isWorker || world.platform === 'win32')
    return unsupported(
      'A restart needs the main thread of a process of its own on a POSIX system; in a worker thread, a cluster worker or on Windows only shutdown works.',
    );
  if (Object.keys(cluster.workers ?? {}).length > 0)
    return unsupported(
      'A restart needs the main thread of a process that serves by itself: this one is the primary of a `node:cluster`, whose workers cannot be handed over. Replace the workers one by one, or let the program serve without a cluster and start it with `endless run --workers`; shutdown works here.',
    );
  if (surroundings?.pm2)
    return unsupported(
      'PM2 watches the process that it has started, and would start another beside a successor. Use `pm2 reload`; shutdown works here.',
    );
  if (allowOrphaning || !surroundings) return undefined;
  const { watcher, forked } = surroundings;
  if (watcher && !(pidFile !== undefined && watcher.followsPidFile()))
    return unsupported(
      `${watcher.name} watches the process that it has started, and takes its exit for the end of the program. ${wayOut(watcher.name)} Set \`allowOrphaning\` if this guess is wrong; shutdown works here.`,
    );
  return forked
    ? unsupported(
        'The process that started this one keeps a channel to it, waits for it, and would start another beside a successor. Let that process restart it, or start it with `endless run`. Set `allowOrphaning` if that is meant; shutdown works here.',
      )
    : undefined;
}

function wayOut(watcher: string): string {
  if (watcher.startsWith('systemd'))
    return 'Use `Type=notify-reload`, `Type=notify` with `NotifyAccess=all`, or `PIDFile=` with `pidFile`, or start it with `endless run`.';
  if (watcher.startsWith('Monit'))
    return 'Set `pidFile` to the file that Monit checks, or start it by `endless run --pid-file` with that file.';
  return 'Let it start `endless run` with this program, or restart the program by it.';
}

function unsupported(message: string): EndlessError {
  return new EndlessError('ERR_ENDLESS_UNSUPPORTED', message);
}
