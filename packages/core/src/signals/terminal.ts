import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import type { World } from '../world.js';

/** How often a process looks whether its terminal is still there. */
const CHECK = 500;
/** A SIGHUP that comes later than this after the terminal was seen gone has another reason. */
const HANGUP_TIME = 500;

/** The terminal from which a process was started: a SIGHUP means its end only in the moment at which it goes away. */
export class Terminal {
  readonly #world: World;
  readonly #had: boolean;
  readonly #outlives: boolean;
  #goneAt: number | undefined;

  constructor(world: World) {
    this.#world = world;
    this.#had = world.hasTerminal();
    this.#outlives = startedByNohup(world.env);
  }

  /** Looks from time to time whether it is still there; calls `onGone` when it is not. */
  watch(onGone: () => void = () => {}): void {
    if (!this.#had) return;
    const stop = this.#world.every(CHECK, () => {
      if (this.there) return;
      stop();
      outliveTerminal();
      onGone();
    });
  }

  /** Whether this process has a terminal. */
  get there(): boolean {
    if (!this.#had) return false;
    if (this.#goneAt === undefined && !this.#world.hasTerminal()) this.#goneAt = this.#world.now();
    return this.#goneAt === undefined;
  }

  /** Whether a SIGHUP means that it goes away; on Windows it says nothing else: the console is being closed. */
  get hangsUp(): boolean {
    if (this.#world.platform === 'win32') return true;
    if (!this.#had || this.there) return false;
    return this.#world.now() - (this.#goneAt as number) < HANGUP_TIME;
  }

  /** Whether this process is to outlive it: `nohup` has started it, whose ignored SIGHUP Node.js puts back to its default. */
  get outlives(): boolean {
    return this.#outlives;
  }
}

/** Whether this process has a controlling terminal that can still be opened. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/**
 * Whether this process has the keys of its terminal, so that Ctrl-C reaches it and it ends with the terminal; false where
 * the system does not tell (only Linux does).
 */
export function inForeground(): boolean {
  try {
    // The name of the program may hold spaces and brackets.
    const [, , group, , , foreground] =
      readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return group !== undefined && group === foreground;
  } catch {
    return false;
  }
}

function startedByNohup(env: NodeJS.ProcessEnv): boolean {
  // bash and zsh name the command that they start; nohup takes the keys away by a descriptor that cannot be read.
  if (path.basename(env._ ?? '') === 'nohup') return true;
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync('/proc/self/fdinfo/0', 'utf8'))?.[1];
    return readlinkSync('/proc/self/fd/0') === '/dev/null' && (Number.parseInt(flags ?? '0', 8) & 3) === 1;
  } catch {
    return false;
  }
}

let outlives = false;

/** From now on a line that the terminal no longer takes is lost, and not an error that ends the process with its requests. */
export function outliveTerminal(): void {
  if (outlives) return;
  outlives = true;
  for (const stream of [process.stdout, process.stderr])
    if (stream.isTTY)
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EIO' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
      });
}
