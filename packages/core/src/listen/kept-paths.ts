import { type FSWatcher, watch } from 'node:fs';
import path from 'node:path';
import type { World } from '../world.js';
import { keepFromRemoval } from './kept-from-removal.js';
import { type OwnPath, putBack } from './own-path.js';
import { removeName, secondName } from './second-names.js';

/** How often the paths are checked, for systems that do not report changes in a folder. */
const LOOK_EVERY = 50;

/**
 * Keeps the paths of unix sockets while two generations live. Either program may remove a path that both
 * serve, before it listens or as it exits. Each socket gets a second name, from which its path is restored.
 */
export class KeptPaths {
  readonly #world: World;
  readonly #kept: { own: OwnPath | undefined; name: string | undefined }[] = [];
  readonly #undo: (() => void)[] = [];
  #letRemove = () => {};
  #ended = false;

  constructor(world: World) {
    this.#world = world;
  }

  /**
   * Keeps a path from now on, by the given second name or by a new one; returns the name, if there is one. A
   * name without a path is only removed at the end.
   */
  add(own: OwnPath | undefined, given?: string): string | undefined {
    const name = given ?? (own && secondName(own.path));
    this.#kept.push({ own, name });
    return name;
  }

  /** Restores every missing path. Returns those that do not lead to their socket. */
  check(): string[] {
    if (this.#ended) return [];
    return this.#kept.flatMap(({ own, name }) => (own && !putBack(own, name) ? [own.path] : []));
  }

  /** Keeps this program from removing the paths, until {@link end}: the other process serves them too. */
  keepFromRemoval(): void {
    this.#letRemove = keepFromRemoval(this.#kept.flatMap(({ own }) => (own ? [own.path] : [])));
  }

  /** Restores each path as soon as it is missing, until {@link end} or {@link release}. */
  watch(): void {
    if (this.#kept.length === 0) return;
    this.#undo.push(this.#world.every(LOOK_EVERY, () => this.check()));
    const check = () => void this.check();
    for (const folder of new Set(this.#kept.flatMap(({ own }) => (own ? [path.dirname(own.path)] : [])))) {
      let watcher: FSWatcher;
      try {
        watcher = watch(folder, { persistent: false }, check);
      } catch {
        // The system has no watch left, or the permission model forbids it: the regular check has to suffice.
        continue;
      }
      watcher.on('error', () => {});
      this.#undo.push(() => watcher.close());
    }
  }

  /** The other process is gone: restores the paths that it removed, and removes the second names. */
  end(): void {
    this.#letRemove();
    this.check();
    this.release();
    for (const { name } of this.#kept) if (name !== undefined) removeName(name);
  }

  /** Leaves the paths and the second names to the other process. */
  release(): void {
    this.#ended = true;
    for (const fn of this.#undo.splice(0)) fn();
  }
}
