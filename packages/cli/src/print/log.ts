/** Writes the lines of the supervisor, in the form of those of its workers. */
export interface Log {
  info(message: string): void;
}

/** The log on stderr. A reader that is gone must not end the supervisor. */
export const stderrLog: Log = {
  info(message) {
    try {
      process.stderr.write(`${new Date().toISOString()} endless ${process.pid} ${message}\n`);
    } catch {
      // No process reads it.
    }
  },
};

/** A log that drops every line. */
export const silentLog: Log = { info() {} };

/** Makes a broken stderr harmless: Node.js throws an error of a stream without a listener. */
export function surviveBrokenOutput(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', () => {});
}
