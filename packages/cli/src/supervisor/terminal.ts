import { readFileSync } from 'node:fs';
import { HANGUP_TIME, hasTerminal, TERMINAL_CHECK } from '@endless/core/internal';

/** The terminal that this process was started from: SIGHUP means a hangup only right after it went away. */
export class Terminal {
  readonly #had = hasTerminal();
  #goneAt: number | undefined;

  constructor() {
    if (!this.#had) return;
    const timer = setInterval(() => {
      if (this.#isGone()) clearInterval(timer);
    }, TERMINAL_CHECK).unref();
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
