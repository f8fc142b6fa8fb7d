import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';

/** How often a process checks whether its terminal is still there. */
const CHECK = 500;
/** A SIGHUP has another reason if it comes later than this after the terminal was found gone. */
const HANGUP_TIME = 500;

/** The terminal that this process was started from: SIGHUP means a hangup only right after it went away. */
export class Terminal {
  readonly #had = hasTerminal();
  #goneAt: number | undefined;

  constructor() {
    if (!this.#had) return;
    const timer = setInterval(() => {
      if (this.#isGone()) clearInterval(timer);
    }, CHECK).unref();
  }

  /** Whether a SIGHUP means now that the terminal goes away, and not that an operator wants a restart. */
  get hangsUp(): boolean {
    return this.#had && this.#isGone() && performance.now() - (this.#goneAt ?? 0) < HANGUP_TIME;
  }

  #isGone(): boolean {
    if (this.#goneAt === undefined && !hasTerminal()) this.#goneAt = performance.now();
    return this.#goneAt !== undefined;
  }
}

/** Whether `nohup` has started this process, which outlives its terminal: Node.js resets the ignored SIGHUP. */
export function startedByNohup(): boolean {
  // bash and zsh put the command that they start into `_`; nohup replaces stdin by a descriptor that cannot
  // be read.
  if (path.basename(process.env._ ?? '') === 'nohup') return true;
  try {
    const [, flags = '0'] = /^flags:\s*(\d+)/m.exec(readFileSync('/proc/self/fdinfo/0', 'utf8')) ?? [];
    return readlinkSync('/proc/self/fd/0') === '/dev/null' && (Number.parseInt(flags, 8) & 3) === 1;
  } catch {
    return false;
  }
}

/** Whether this process is in the foreground of its terminal; true where the system does not report it. */
export function inForeground(): boolean {
  try {
    // The program name in this line may contain spaces and brackets.
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return fields[2] === fields[5];
  } catch {
    return true;
  }
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
