import { readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { World } from '../world.js';

/** The file that names the newest process: written whole when that is ready, removed on exit only by its owner. */
export class PidFile {
  readonly #world: World;
  #path: string | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** Writes our pid, beside the file and then renamed onto it, so that no reader ever sees half of one. */
  write(file: string | undefined, logger: Logger): void {
    if (file === undefined) return;
    let draft: string | undefined;
    try {
      if (this.#path === undefined) {
        // Absolute from now on: the application may change its directory.
        this.#path = path.resolve(file);
        this.#world.onExit(() => this.remove());
      }
      draft = path.join(path.dirname(this.#path), `.${path.basename(this.#path)}.${this.#world.pid}`);
      writeFileSync(draft, `${this.#world.pid}\n`);
      renameSync(draft, this.#path);
    } catch (error) {
      logger.error(`Could not write the pid file: ${messageOf(error)}`);
      if (draft !== undefined) rmSync(draft, { force: true });
    }
  }

  /** Removes the file if it still names this process; the successor's is left alone. */
  remove(): void {
    if (this.#path === undefined) return;
    try {
      if (readFileSync(this.#path, 'utf8').trim() === String(this.#world.pid)) unlinkSync(this.#path);
    } catch {
      // It is gone already, or was never ours to remove.
    }
  }
}
