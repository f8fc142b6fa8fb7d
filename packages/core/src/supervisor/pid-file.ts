import {
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.js';
import { nameBeside } from '../listen/second-names.js';
import type { Log } from '../log.js';
import type { World } from '../world.js';

/**
 * The file with the newest process's pid: written whole when that is ready, removed on exit only by its
 * owner.
 */
export class PidFile {
  readonly #world: World;
  #path: string | undefined;
  /** The open file, with which a process that has dropped its privileges can still write. */
  #fd: number | undefined;

  constructor(world: World) {
    this.#world = world;
  }

  /** The descriptor of the file, which a successor inherits; undefined before it was written. */
  get fd(): number | undefined {
    return this.#fd;
  }

  /** Keeps the descriptor from the old process, if it is a file. */
  inherit(fd: number | undefined): void {
    try {
      if (fd !== undefined && fstatSync(fd, { bigint: true }).isFile()) this.#fd = fd;
    } catch {
      // It is not open.
    }
  }

  /** Writes this process's pid to another file and renames that, so that no reader sees half of it. */
  write(file: string | undefined, log: Log): void {
    if (file === undefined) return;
    try {
      if (this.#path === undefined) {
        // Absolute from now on: the application may change its directory.
        this.#path = path.resolve(file);
        this.#world.onExit(() => this.remove());
      }
      this.#replace(this.#path);
    } catch (error) {
      // After `setuid` the folder may belong to another user, but the file is still open.
      if (!this.#overwrite(this.#line)) log.error(`Could not write the pid file: ${messageOf(error)}`);
    }
  }

  /** Removes the file if it still names this process; that of the successor stays. */
  remove(): void {
    if (this.#path === undefined) return;
    try {
      if (readFileSync(this.#path, 'utf8').trim() !== this.#line.trim()) return;
      unlinkSync(this.#path);
    } catch {
      // It is gone already, or its folder forbids the removal: an empty file names no process.
      this.#overwrite('');
    }
  }

  get #line(): string {
    return `${this.#world.pid}\n`;
  }

  #replace(file: string): void {
    const draft = nameBeside(file);
    // Never through a link that another user has put there; only the owner may write.
    const fd = openSync(draft, 'wx', 0o644);
    try {
      writeSync(fd, this.#line);
      renameSync(draft, file);
    } catch (error) {
      closeSync(fd);
      rmSync(draft, { force: true });
      throw error;
    }
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = fd;
  }

  /** Writes into the open file, if the path still leads there; returns whether it was possible. */
  #overwrite(text: string): boolean {
    if (this.#fd === undefined || this.#path === undefined) return false;
    try {
      const [ours, there] = [fstatSync(this.#fd, { bigint: true }), statSync(this.#path, { bigint: true })];
      if (ours.dev !== there.dev || ours.ino !== there.ino) return false;
      // One write, so that no reader sees the end of a longer pid behind this one.
      writeSync(this.#fd, text.padEnd(Number(ours.size), '\n'), 0);
      ftruncateSync(this.#fd, text.length);
      return true;
    } catch {
      return false;
    }
  }
}
