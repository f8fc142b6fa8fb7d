import { type FSWatcher, stat, statSync, watch } from 'node:fs';
import path from 'node:path';
import type { Log } from '../print/log.js';
import { changesBetween, type Snapshot, snapshotOf } from './snapshot.js';
import { counts, isSkipped, type Watched } from './watched.js';

/** Changes that come within this time of each other count as one. */
const QUIET = 150;
/** Changes that never pause are reported after this time. */
const LONGEST = 5_000;
/** How often files are compared where no event reports a change. */
const POLL = 1_000;
/** How often a watched folder is looked for that is missing: a build removes its output and makes it again. */
const LOOK_FOR = 250;

/** How files are watched, and who gets what has changed. */
export interface WatchOptions {
  watched: Watched;
  /** Compares the files regularly: some mounts report no events. */
  poll: boolean;
  log: Log;
  /** Gets the paths that have changed. Those that it cannot use now come again with the next ones. */
  changed(paths: readonly string[]): 'used' | 'later';
}

/**
 * Reports which files have changed. An event of the system says only that it is time to look. What has
 * changed is the difference of two snapshots, so that no order of events is misread.
 */
export class FileWatcher {
  readonly #options: WatchOptions;
  readonly #folders = new Map<string, { watcher: FSWatcher; identity: string }>();
  readonly #missing = new Set<string>();
  readonly #changed = new Set<string>();
  #known: Snapshot = new Map();
  #looking: Promise<void> | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #poll: NodeJS.Timeout | undefined;
  #lookFor: NodeJS.Timeout | undefined;
  /** When the first hint came of what is not reported yet. */
  #since: number | undefined;
  #closed = false;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Resolves when every later change is seen. */
  async start(): Promise<void> {
    await this.#look();
    this.#changed.clear();
    this.#lookFor = setInterval(() => {
      if ([...this.#missing].some((folder) => identityOf(folder) !== undefined)) this.#hint();
    }, LOOK_FOR);
    if (this.#options.poll) this.#pollRegularly();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#quiet);
    clearInterval(this.#poll);
    clearInterval(this.#lookFor);
    for (const folder of this.#folders.keys()) this.#forget(folder);
  }

  /** Something has happened: looks when it is over. */
  #hint(): void {
    if (this.#closed) return;
    const now = performance.now();
    this.#since ??= now;
    clearTimeout(this.#quiet);
    const wait = Math.max(0, Math.min(QUIET, this.#since + LONGEST - now));
    this.#quiet = setTimeout(() => void this.#report(), wait);
  }

  async #report(): Promise<void> {
    this.#quiet = undefined;
    await this.#look();
    const since = this.#since ?? 0;
    // It goes on: the next report has this too.
    if (this.#quiet !== undefined && performance.now() - since < LONGEST) return;
    this.#since = undefined;
    if (this.#closed || this.#changed.size === 0) return;
    if (this.#options.changed([...this.#changed]) === 'used') this.#changed.clear();
  }

  #pollRegularly(): void {
    this.#poll ??= setInterval(async () => {
      if (this.#looking) return;
      await this.#look();
      if (this.#changed.size > 0) this.#hint();
    }, POLL);
  }

  /** Compares all files with the last look, one look at a time. */
  async #look(): Promise<void> {
    while (this.#looking) await this.#looking;
    this.#looking = this.#compare();
    await this.#looking;
    this.#looking = undefined;
  }

  async #compare(): Promise<void> {
    const { watched } = this.#options;
    const entered = new Set<string>();
    const enter = (folder: string, countsHere: (name: string) => boolean) => {
      if (entered.has(folder)) return;
      entered.add(folder);
      this.#watch(folder, countsHere);
    };
    this.#missing.clear();
    const now = await snapshotOf(watched, (folder, root) => enter(folder, (name) => counts(name, root)));
    for (const folder of watched.files.map((file) => path.dirname(file)))
      enter(folder, (name) => watched.files.includes(path.join(folder, name)));
    for (const folder of this.#folders.keys()) if (!entered.has(folder)) this.#forget(folder);
    for (const file of changesBetween(this.#known, now)) this.#changed.add(file);
    this.#known = now;
  }

  #watch(folder: string, countsHere: (name: string) => boolean): void {
    if (this.#closed) return;
    const identity = identityOf(folder);
    if (identity === undefined) this.#missing.add(folder);
    if (this.#folders.get(folder)?.identity === identity || this.#options.poll) return;
    this.#forget(folder);
    if (identity === undefined) return;
    try {
      const watcher = watch(folder, (type, name) => this.#event(folder, type, name, countsHere));
      watcher.on('error', () => this.#hint());
      this.#folders.set(folder, { watcher, identity });
    } catch (error) {
      if (this.#poll) return;
      this.#options.log.info(`watch: ${(error as Error).message}. Files are compared each second instead.`);
      this.#pollRegularly();
    }
  }

  #event(folder: string, type: string, name: string | null, countsHere: (name: string) => boolean): void {
    // The folder itself was removed, and another one may have its name already.
    if (type === 'rename' && name === path.basename(folder)) this.#forget(folder);
    else if (name !== null && !countsHere(name)) {
      if (type === 'rename' && !isSkipped(name)) this.#maybeFolder(path.join(folder, name));
      return;
    }
    this.#hint();
  }

  /** A log or a database that a program makes beside its files is no reason to look. */
  #maybeFolder(at: string): void {
    if (this.#folders.has(at)) this.#hint();
    else
      stat(at, (_error, stats) => {
        if (stats?.isDirectory()) this.#hint();
      });
  }

  #forget(folder: string): void {
    this.#folders.get(folder)?.watcher.close();
    this.#folders.delete(folder);
  }
}

/** A text that is another one once the folder was removed and made again; undefined if it is missing. */
function identityOf(folder: string): string | undefined {
  const stats = statSync(folder, { throwIfNoEntry: false });
  return stats?.isDirectory() ? `${stats.dev} ${stats.ino} ${stats.birthtimeMs}` : undefined;
}
