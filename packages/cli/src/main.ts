import { CommanderError } from 'commander';
import { commandLine } from './arguments/command-line.js';
import { NotRunning } from './control/client.js';
import { EXIT } from './exit-codes.js';
import { surviveBrokenOutput } from './print/log.js';
import { UsageError } from './program/program.js';

/** Runs one command of `endless`, and resolves with its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  surviveBrokenOutput();
  let exitCode: number = EXIT.done;
  try {
    await commandLine((code) => {
      exitCode = code;
    }).parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    // Help and the version are no mistakes.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    process.stderr.write(`endless: ${(error as Error).message}\n`);
    if (error instanceof UsageError) return EXIT.usage;
    return error instanceof NotRunning ? EXIT.notRunning : EXIT.failed;
  }
}
