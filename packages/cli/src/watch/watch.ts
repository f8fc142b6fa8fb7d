import { existsSync } from 'node:fs';
import path from 'node:path';
import { LONGEST } from '../arguments/values.js';
import { type Log, silentLog } from '../print/log.js';
import type { Decided, Program } from '../program/program.js';
import type { Supervisor } from '../supervisor/supervisor.js';
import { FileWatcher } from './file-watcher.js';
import { onEnter } from './keyboard.js';
import { WatchRestarts } from './restarts.js';
import { watchedOf } from './watched.js';

/** What is decided for a watched program: an old process ends soon, and one line tells a restart. */
export const WATCHED: Decided = {
  settings: { hammerTime: 2_000, idleGrace: 0, rollbackWindow: 500 },
  quiet: true,
};

/** What the flags of a run cannot change: the next change is what helps. One line tells a restart. */
export const OVERRIDES = { workers: 1, giveUp: 0, startTimeout: LONGEST, restartLog: silentLog };

/** How files are watched. */
export interface WatchFlags {
  /** Paths instead of the folder of the script. */
  paths: readonly string[];
  poll: boolean;
}

/** Restarts the program of this supervisor when its files change, and at Enter. Resolves when no change is missed. */
export async function watch(
  supervisor: Supervisor,
  program: Program,
  { paths, poll }: WatchFlags,
  log: Log,
): Promise<void> {
  const watched = watchedOf(program, paths);
  const restarts = new WatchRestarts(supervisor, log);
  const nameOf = (file: string) => path.relative(program.directory, file) || file;
  const watcher = new FileWatcher({
    ...{ watched, poll, log },
    changed(files) {
      // A build that has removed the script writes it again soon.
      if (!existsSync(program.resolve().script)) return 'later';
      restarts.request(files.map(nameOf));
      return 'used';
    },
  });
  void supervisor.ended.then(() => watcher.close());
  onEnter(() => restarts.request([]));
  await watcher.start();
  const names = [...watched.folders.map((folder) => folder.path), ...watched.files].map(nameOf);
  log.info(`watch: watching ${names.join(', ')}${process.stdin.isTTY ? '; Enter restarts' : ''}.`);
}
