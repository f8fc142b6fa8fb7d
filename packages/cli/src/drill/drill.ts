import { writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { EXIT } from '../exit-codes.js';
import { UsageError } from '../program/program.js';
import { runCommand } from './command.js';
import { DrilledProgram } from './drilled-program.js';
import { NotServing, targetAt, targetOfProgram } from './find-target.js';
import type { DrillFlags } from './flags.js';
import { htmlReport } from './html-report.js';
import { inTheWayOfProgram } from './in-the-way-of-program.js';
import { Progress } from './progress.js';
import { type DrillReport, reportOf } from './report.js';
import { Session } from './session.js';
import { textReport } from './text-report.js';

/** `endless drill`: restarts a server under strict clients, and reports what was lost; resolves with the exit code. */
export async function drill(words: readonly string[], flags: DrillFlags): Promise<number> {
  checkFlags(words, flags);
  const interrupt = new AbortController();
  let signal: NodeJS.Signals | undefined;
  const onSignal = (name: NodeJS.Signals) => {
    signal ??= name;
    interrupt.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, onSignal);
  // Standard output is for the report alone when a program reads it.
  const progress = new Progress(flags.json ? process.stderr : process.stdout);
  try {
    const drilled = flags.url === undefined ? drillProgram : drillServer;
    const [session, report] = await drilled(words, flags, progress, interrupt.signal);
    if (signal) report.failures.push(`interrupted by ${signal}`);
    report.passed = report.failures.length === 0;
    process.stdout.write(flags.json ? `${JSON.stringify(report, undefined, 2)}\n` : textReport(report));
    if (flags.report !== undefined)
      writeFileSync(flags.report, htmlReport(report, session.ledger.timeline.slices));
    if (signal) return 128 + constants.signals[signal];
    return report.passed ? EXIT.done : EXIT.failed;
  } catch (error) {
    if (!(error instanceof NotServing)) throw error;
    process.stderr.write(`endless: ${error.message}\n`);
    return EXIT.notRunning;
  } finally {
    progress.end();
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, onSignal);
  }
}

type Drilled = [Session, DrillReport];

/** A server that runs already, and a command that restarts it. */
async function drillServer(
  _words: readonly string[],
  flags: DrillFlags,
  progress: Progress,
  interrupted: AbortSignal,
): Promise<Drilled> {
  const { url = '', do: command = '', times } = flags;
  const session = new Session(await targetAt(url, flags), flags, progress, interrupted);
  await session.begin();
  for (let time = 1; time <= times; time += 1)
    await session.step(`restart ${time}`, 'restart', () => runCommand(command, interrupted));
  await session.end();
  return [session, reportOf(session.target.name, session.ledger, flags, [])];
}

/** A program under `endless run`: all that may happen to it. */
async function drillProgram(
  words: readonly string[],
  flags: DrillFlags,
  progress: Progress,
  interrupted: AbortSignal,
): Promise<Drilled> {
  const program = new DrilledProgram(words, flags.workers);
  try {
    const [address = ''] = await program.addresses(interrupted);
    const target = await targetOfProgram(address, flags);
    const session = new Session(target, flags, progress, interrupted);
    await session.begin();
    for (let time = 1; time <= flags.times; time += 1)
      await session.step(`restart ${time}`, 'restart', () => program.restart());
    await session.step('a worker is SIGKILLed', 'kill', () => program.kill());
    await session.step('scale +1, -1', 'scale', () => program.scale());
    await session.step('a successor that fails', 'failure', () => program.failingRestart());
    const crashes = await program.crashes().catch(() => 0);
    if (!interrupted.aborted) await session.leave();
    await session.step('stop', 'stop', () => program.stop());
    await session.end();
    const usual = session.ledger.phases[0]?.latencies.percentile(50) ?? 0;
    const inTheWay = inTheWayOfProgram(program.seen(), usual / 1_000);
    // The drill itself has killed one.
    if (crashes > 1) inTheWay.unshift(`A worker crashed by itself, ${crashes - 1} times.`);
    return [session, reportOf(session.target.name, session.ledger, flags, inTheWay)];
  } finally {
    await program.end();
  }
}

function checkFlags(words: readonly string[], flags: DrillFlags): void {
  if (flags.url === undefined && words.length === 0)
    throw new UsageError('name a program, or a server by --url and the command that restarts it by --do');
  if (flags.url !== undefined && words.length > 0)
    throw new UsageError('name a program or a --url, not both');
  if (flags.url !== undefined && flags.do === undefined)
    throw new UsageError("--url needs --do '<the command that restarts the server>'");
  if (flags.url === undefined && flags.do !== undefined)
    throw new UsageError('--do needs --url: a program is restarted by `endless run`');
  if (flags.url !== undefined && flags.workers !== undefined)
    throw new UsageError('--workers is for a program');
  if (flags.connections + flags.new === 0) throw new UsageError('--connections or --new must be at least 1');
}
