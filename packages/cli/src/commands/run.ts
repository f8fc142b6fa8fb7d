import type { Server } from 'node:http';
import { inspect } from 'node:util';
import { parseWorkers } from '../arguments/values.js';
import { listenOnControl, SocketInUse } from '../control/listen.js';
import { safeControlPath } from '../control/path.js';
import { controlServer } from '../control/server.js';
import { EXIT } from '../exit-codes.js';
import { enforceLimits, sampleInterval } from '../limits/limits.js';
import { stderrLog as log } from '../print/log.js';
import { Program, UsageError } from '../program/program.js';
import { giveUpAfter } from '../supervisor/give-up.js';
import { watchOrphans } from '../supervisor/orphans.js';
import { ownProcess } from '../supervisor/own-process.js';
import { writePidFile } from '../supervisor/pid-file.js';
import { listenToSignals } from '../supervisor/signals.js';
import { Supervisor } from '../supervisor/supervisor.js';
import { takeActivation } from '../systemd/activation.js';
import { ServiceManager } from '../systemd/service-manager.js';

/** The flags of `endless run`. */
export interface RunFlags {
  workers?: number;
  startTimeout: number;
  giveUp?: number;
  stall: number;
  maxMemory: number;
  maxAge: number;
  control?: string;
  pidFile?: string;
  /** The paths of `--watch=`, if the program is watched. */
  watch?: string[];
  watchPoll?: boolean;
}

/** How long the answers to the last commands may take once every worker is gone. */
const LAST_ANSWERS = 500;

/** `endless run`: supervises a program until it is stopped; resolves with the exit code. */
export async function run(words: readonly string[], flags: RunFlags): Promise<number> {
  ownProcess(log);
  // Nothing of the supervisor may end the workers. A preloaded module can throw anything, also null.
  process.on('uncaughtException', (error: unknown) =>
    log.info(`internal error, please report it: ${inspect(error)}`),
  );
  const { sockets, notify, refused } = takeActivation();
  for (const reason of refused) log.info(`The workers do not get an inherited socket: ${reason}.`);
  const watches = flags.watch !== undefined || flags.watchPoll === true;
  // Loaded here only: a run without the flag pays nothing for it.
  const watching = watches ? await import('../watch/watch.js') : undefined;
  const program = new Program(words, watching?.WATCHED);
  // A build may write the script later.
  if (!watches) program.check();
  const workers = flags.workers ?? fromEnvironment() ?? 1;
  const { startTimeout, giveUp = giveUpAfter(startTimeout) } = flags;
  const supervisor = new Supervisor({
    ...{ program, workers, startTimeout, giveUp, watches, log, restartLog: log },
    ...watching?.OVERRIDES,
  });
  supervisor.sockets.activate(sockets);
  const server = controlServer(supervisor);
  let removePidFile = () => {};
  try {
    if (flags.control !== 'none') await listen(server, program, flags);
    if (flags.pidFile !== undefined) removePidFile = writePidFile(flags.pidFile);
  } catch (error) {
    // Its path must not stay behind.
    await close(server);
    if (!(error instanceof SocketInUse)) throw error;
    log.info(`${error.message}. Stop it by \`endless stop\`, or give this one another --control.`);
    return EXIT.busy;
  }
  listenToSignals(supervisor, log, watches);
  watchOrphans(supervisor, log);
  const serviceManager = ServiceManager.find(supervisor, { log, fd: notify, startTimeout });
  // In development a debugger or a build may hold the program.
  const limits = watches ? { ...flags, stall: 0 } : flags;
  enforceLimits(supervisor, limits, sampleInterval(process.env.ENDLESS_SAMPLE_INTERVAL), log);
  const { watch: paths = [], watchPoll: poll = false } = flags;
  await watching?.watch(supervisor, program, { paths, poll }, log);
  if (!supervisor.stopping) supervisor.start();
  const exitCode = await supervisor.ended;
  removePidFile();
  await Promise.all([close(server), supervisor.sockets.removePaths(), serviceManager?.finish()]);
  return exitCode;
}

/** Makes the other commands reach this supervisor. A failure of the default socket is no reason not to start. */
async function listen(server: Server, program: Program, { control }: RunFlags): Promise<void> {
  try {
    await listenOnControl(server, control ?? safeControlPath(program.directory));
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof SocketInUse) throw error;
    if (control !== undefined) throw new UsageError(`--control: ${message}`);
    log.info(`The other commands do not reach this supervisor: ${message}.`);
  }
}

function fromEnvironment(): number | undefined {
  const { WEB_CONCURRENCY } = process.env;
  if (WEB_CONCURRENCY === undefined || WEB_CONCURRENCY === '') return undefined;
  try {
    return parseWorkers(WEB_CONCURRENCY);
  } catch {
    throw new UsageError(`WEB_CONCURRENCY must be a number from 1 to 999, or max; it is ${WEB_CONCURRENCY}`);
  }
}

/** Closes the control socket once the last answers are written. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    if (!server.listening) return resolve();
    server.close(() => resolve());
    setTimeout(() => server.closeAllConnections(), LAST_ANSWERS).unref();
    setTimeout(resolve, 2 * LAST_ANSWERS);
  });
}
