import { type Command, InvalidArgumentError } from 'commander';
import type { DrillFlags } from '../drill/flags.js';
import { timeOption } from './time-option.js';
import { parseWorkers } from './values.js';

/** The command `endless drill` with its flags. `done` gets its exit code. */
export function addDrill(program: Command, done: (exitCode: number) => void): void {
  const several = (value: string, before: string[] = []) => [...before, value];
  program
    .command('drill')
    .description('restart a server under strict clients, and count what they lose')
    .usage('[flags] server.js [args] | --url <url> --do <command>')
    .argument('[program...]')
    .option('--url <url>', 'a server that runs already')
    .option('--do <command>', 'restarts that server')
    .option('--path <path>', 'ask for this path; several are allowed', several)
    .option('--method <method>', 'of each request (default: GET, POST with a body)')
    .option('--body <text>', 'of each request, or @file')
    .option('--header <header>', "'Name: value'; several are allowed", several)
    .option('--connections <n>', 'clients that keep their connection', count, 50)
    .option('--new <n>', 'clients that open one for each request', count, 5)
    .option('--websocket <path>', 'open WebSockets there; several are allowed', several)
    .option('--workers <n>', 'of the program, or max (default: WEB_CONCURRENCY, else 1)', parseWorkers)
    .option('--times <n>', 'how many restarts', count, 5)
    .addOption(timeOption('--every', 'how long to watch after each step', '2s'))
    .option('--max-lost <n>', 'pass if no more is lost', count, 0)
    .addOption(timeOption('--max-p99', 'pass if p99 during the steps is not longer'))
    .option('--json', 'print the report as JSON')
    .option('--report <file>', 'write an HTML page with a chart')
    .option('--yes-really <host>', 'allow this host, which is not this machine')
    .passThroughOptions()
    .showHelpAfterError('`endless drill --help` lists the flags.')
    .action(async (words: string[], flags: DrillFlags) => {
      // Only here, so that a supervisor does not load it.
      const { drill } = await import('../drill/drill.js');
      done(await drill(words, flags));
    });
}

function count(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('Write a whole number.');
  return Number(text);
}
