import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import type { World } from '../world.js';

/** How often a process checks whether its terminal is still there. */
export const TERMINAL_CHECK = 500;
/** A SIGHUP has another reason if it comes later than this after the terminal was found gone. */
export const HANGUP_TIME = 500;

/** The terminal that a process was started from: SIGHUP means a hangup only right after it went away. */
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

  /** Checks regularly whether the terminal is still there; calls `onGone` when it is not. */
  watch(onGone: () => void = () => {}): void {
    if (!this.#had) return;
    const stop = this.#world.every(TERMINAL_CHECK, () => {
      if (this.there) return;
      stop();
      outliveTerminal();
      onGone();
    });
  }

  /** Whether this process still has its terminal. */
  get there(): boolean {
    if (!this.#had) return false;
    if (this.#goneAt === undefined && !this.#world.hasTerminal()) this.#goneAt = this.#world.now();
    return this.#goneAt === undefined;
  }

  /** Whether a SIGHUP means now that the terminal goes away; on Windows it always means a closing console. */
  get hangsUp(): boolean {
    if (this.#world.platform === 'win32') return true;
    if (!this.#had || this.there) return false;
    return this.#world.now() - (this.#goneAt as number) < HANGUP_TIME;
  }

  /**
   * Whether `nohup` started this process: it outlives the terminal, though Node.js resets the ignored SIGHUP.
   */
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
 * Whether this process is in the foreground of its terminal, so that Ctrl-C reaches it and it ends with the
 * terminal. False if the system does not report it (only Linux does).
 */
export function inForeground(): boolean {
  try {
    // The program name in this line may contain spaces and brackets.
    const [, , group, , , foreground] =
      readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return group !== undefined && group === foreground;
  } catch {
    return false;
  }
}

/** Whether `nohup` has started this process, which outlives its terminal: Node.js resets the ignored SIGHUP. */
export function startedByNohup(env: NodeJS.ProcessEnv): boolean {
  // bash and zsh put the command that they start into `_`; nohup replaces stdin by a descriptor that cannot
  // be read.
  if (path.basename(env._ ?? '') === 'nohup') return true;
  try {
    const flags = /^flags:\s*(\d+)/m.exec(readFileSync('/proc/self/fdinfo/0', 'utf8'))?.[1];
    return readlinkSync('/proc/self/fd/0') === '/dev/null' && (Number.parseInt(flags ?? '0', 8) & 3) === 1;
  } catch {
    return false;
  }
}

let outlives = false;

/** Drops lines that the terminal no longer takes: an error must not end the process with its requests. */
export function outliveTerminal(): void {
  if (outlives) return;
  outlives = true;
  for (const stream of [process.stdout, process.stderr])
    if (stream.isTTY)
      stream.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EIO' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
      });
}
