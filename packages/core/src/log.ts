import type { World } from './world.js';

/** Anything with these three methods is a logger: `console`, pino, winston. */
export interface Logger {
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** The default logger: a line on stderr with the time, the pid and the message, in the place of one that is to be erased. */
export function textLogger(world: World, erase: () => string): Logger {
  const line = (message: string) =>
    world.writeError(`${erase()}${world.date().toISOString()} endless ${world.pid} ${message}\n`);
  return { info: line, warn: line, error: line };
}

/** A logger that says nothing. */
export const silent: Logger = { info() {}, warn() {}, error() {} };

/** A logger of the application that must not be able to stop a restart by throwing. */
export function guarded(logger: Logger): Logger {
  const guard = (level: keyof Logger) => (message: string) => {
    try {
      logger[level](message);
    } catch {
      // A log line is worth less than the restart that it tells of.
    }
  };
  return { info: guard('info'), warn: guard('warn'), error: guard('error') };
}
