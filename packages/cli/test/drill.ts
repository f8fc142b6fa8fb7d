import { type ChildProcess, execFile } from 'node:child_process';
import type { DrillReport } from '../dist/drill/report.js';
import { BIN } from './program.js';

/** How a drill ended, and what it has printed. */
export interface Drilled {
  code: number | null;
  stdout: string;
  stderr: string;
  /** With `--json`. */
  report: DrillReport;
}

/** How `endless drill` is started. */
export interface DrillOptions {
  env?: NodeJS.ProcessEnv;
  /** Gets the process, for signals to it. */
  started?(child: ChildProcess): void;
}

/** Runs `endless drill` with these words. */
export function drill(words: readonly string[], { env, started }: DrillOptions = {}): Promise<Drilled> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [BIN, 'drill', ...words],
      { env: { ...process.env, ...env }, timeout: 120_000, maxBuffer: 1e8 },
      (_error, stdout, stderr) => {
        const report = stdout.startsWith('{') ? JSON.parse(stdout) : undefined;
        resolve({ code: child.exitCode, stdout, stderr, report });
      },
    );
    started?.(child);
  });
}
