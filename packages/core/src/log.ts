import type { World } from './world.js';

/** Anything with these three methods is a logger: `console`, pino, winston. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/**
 * The default logger: a line on stderr with the time, the pid and the message. `erase` returns the text that
 * first erases the progress line.
 */
export function textLogger(world: World, erase: () => string): Logger {
  const line = (message: string) =>
    world.writeError(`${erase()}${world.date().toISOString()} endless ${world.pid} ${message}\n`);
  return { info: line, warn: line, error: line };
}

/** A logger that drops every line. */
export const silent: Logger = { info() {}, warn() {}, error() {} };

/** The one log of every part of this process; `configure({ logger })` changes its target. */
export class Log implements Logger {
  #target: Logger;

  constructor(target: Logger) {
    this.#target = target;
  }

  /** Logs to this target from now on. */
  configure(target: Logger): void {
    this.#target = target;
  }

  info(message: string): void {
    this.#write('info', message);
  }

  warn(message: string): void {
    this.#write('warn', message);
  }

  error(message: string): void {
    this.#write('error', message);
  }

  /** A logger of the application that throws must not stop a restart. */
  #write(level: keyof Logger, message: string): void {
    try {
      this.#target[level](message);
    } catch {
      // The restart matters more than its log line.
    }
  }
}
