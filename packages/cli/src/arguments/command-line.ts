import { Command, Option } from 'commander';
import type { RunFlags } from '../commands/run.js';
import { checkedControlPath } from '../control/path.js';
import { directoryAsTyped } from '../program/directory.js';
import { VERSION } from '../version.js';
import { addDrill } from './drill.js';
import { parseSize } from './size.js';
import { timeOption } from './time-option.js';
import { parseCount, parseLimit, parsePaths, parseTime, parseWorkers } from './values.js';
import { RunCommand } from './watch-flag.js';

interface ControlFlag {
  control?: string;
}

/** The commands other than `run`. The supervisor loads none of them, and stays small. */
const orders = () => import('../commands/orders.js');

/** The commands and their flags. `done` gets the exit code of the command that ran. */
export function commandLine(done: (exitCode: number) => void): Command {
  const program = new Command('endless')
    .description('Runs a Node.js server on one or more workers, and restarts it without losing a request.')
    .version(VERSION)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'endless: ')) })
    .showHelpAfterError('`endless --help` lists the commands.');

  const runCommand = new RunCommand('run').copyInheritedSettings(program);
  program.addCommand(runCommand);
  runCommand
    .description('run a program in the foreground, and keep its sockets while its workers change')
    .usage('[flags] server.js [args]\n       endless run [flags] -- node --import tsx server.ts')
    .argument('<program...>', 'the script with its arguments, or a command of node')
    .option('--workers <count>', 'how many workers, or max (default: WEB_CONCURRENCY, else 1)', parseWorkers)
    .addOption(timeOption('--start-timeout', 'how long a start may take; 0: no limit', '60s', parseLimit))
    .addOption(
      timeOption(
        '--give-up',
        'exit when no worker was ready for so long; 0: never (default: 60s, or a longer --start-timeout)',
      ),
    )
    .addOption(timeOption('--stall', 'kill a worker that is blocked for so long; 0: never', '30s'))
    .addOption(
      new Option('--max-memory <size>', 'replace a larger worker: 300M, 40%')
        .argParser((text) => parseSize(text))
        .default(0, 'none'),
    )
    .addOption(
      new Option('--max-age <time>', 'replace a worker after it').argParser(parseTime).default(0, 'none'),
    )
    .option('--control <path>', 'where the other commands find this one, or none')
    .option('--pid-file <path>', 'a file for the pid of the supervisor')
    .addOption(
      new Option('--watch [=paths]', 'restart when a file of the program changes')
        .argParser(parsePaths)
        .conflicts('workers'),
    )
    .addOption(
      new Option('--watch-poll', 'compare the files each second: for shared folders').conflicts('workers'),
    )
    .passThroughOptions()
    .showHelpAfterError(
      '`endless run --help` lists the flags. Write options of Node.js as: endless run -- node --import tsx server.ts',
    )
    .action(async (words: string[], flags: RunFlags) => {
      const { run } = await import('../commands/run.js');
      done(await run(words, flags));
    });

  const ask = (name: string, description: string) =>
    program
      .command(name)
      .description(description)
      .option('--control <path>', 'the socket of the supervisor')
      .showHelpAfterError(`\`endless ${name} --help\` lists the flags.`);
  const socketOf = ({ control }: ControlFlag) => control ?? checkedControlPath(directoryAsTyped());

  ask('restart', 'replace all workers one by one; nothing changes if the first cannot be replaced')
    .addOption(timeOption('--timeout', 'how long to wait for the end', '5m'))
    .action(async (flags: ControlFlag & { timeout: number }) =>
      done(await (await orders()).restart(socketOf(flags), flags.timeout)),
    );
  ask('scale', 'change the number of workers')
    .argument('<count>', 'a number, +N, -N or max', parseCount)
    .action(async (count: string, flags: ControlFlag) =>
      done(await (await orders()).scale(socketOf(flags), count)),
    );
  ask('stop', 'drain all workers, and end the supervisor')
    .option('--now', 'force-close what is open')
    .action(async (flags: ControlFlag & { now?: boolean }) =>
      done(await (await orders()).stop(socketOf(flags), flags.now === true)),
    );
  ask('status', 'show the workers')
    .option('--json', 'as JSON')
    .option('--watch', 'again each second')
    .action(async (flags: ControlFlag & { json?: boolean; watch?: boolean }) => {
      const { status } = await import('../commands/status.js');
      done(await status(socketOf(flags), flags));
    });
  addDrill(program, done);
  return program;
}
