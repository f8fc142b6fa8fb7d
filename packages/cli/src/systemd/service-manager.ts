import type { Log } from '../print/log.js';
import type { Supervisor } from '../supervisor/supervisor.js';
import { isHealthy } from './health.js';
import type { Notifier } from './notifier.js';
import { NotifyCommand } from './notify-command.js';
import { NotifySocket } from './notify-socket.js';

/** What {@link ServiceManager} needs. */
export interface ServiceManagerOptions {
  log: Log;
  /** The descriptor of a connected datagram socket to the service manager, if there is one. */
  fd: number | undefined;
  /** How long a worker may take to start, in milliseconds. */
  startTimeout: number;
}

/** How long the last messages may take once every worker is gone. */
const LAST_MESSAGES = 1_000;

/**
 * Speaks systemd's notify protocol for the whole service. The pid of the supervisor never changes, so no
 * `MAINPID` is needed.
 */
export class ServiceManager {
  readonly #supervisor: Supervisor;
  readonly #notifier: Notifier;
  #phase: 'starting' | 'serving' | 'stopping' = 'starting';
  /** The number of the restart of which the service manager knows that it is under way. */
  #reloading: number | undefined;
  #status = '';

  private constructor(supervisor: Supervisor, { log, fd, startTimeout }: ServiceManagerOptions) {
    this.#supervisor = supervisor;
    let told = false;
    const onError = (why: string) => {
      if (!told) log.info(`A message to the service manager was lost: ${why}.`);
      told = true;
    };
    this.#notifier = fd === undefined ? new NotifyCommand(onError) : new NotifySocket(fd, onError);
    supervisor.onChange(() => this.#look());
    const { WATCHDOG_USEC, WATCHDOG_PID } = process.env;
    const period = Number(WATCHDOG_USEC) / 2_000;
    const mine = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid);
    if (!(period > 0) || !mine) return;
    setInterval(() => {
      if (isHealthy(supervisor, startTimeout)) this.#notifier.sendOnce('WATCHDOG=1');
    }, period).unref();
  }

  /** The service manager, if it waits for messages of this process. */
  static find(supervisor: Supervisor, options: ServiceManagerOptions): ServiceManager | undefined {
    if (options.fd === undefined && !process.env.NOTIFY_SOCKET) return undefined;
    return new ServiceManager(supervisor, options);
  }

  /** Resolves when the last message was sent, and after a second at most. */
  async finish(): Promise<void> {
    const late = new Promise((resolve) => setTimeout(resolve, LAST_MESSAGES));
    await Promise.race([this.#notifier.sent(), late]);
    this.#notifier.close();
  }

  /** Sends what has changed since the last look. */
  #look(): void {
    const { stopping, everReady, restarts } = this.#supervisor;
    const phase = stopping ? 'stopping' : everReady ? 'serving' : 'starting';
    const reloading = restarts.step && restarts.begun;
    const assignments: string[] = [];
    if (phase === 'stopping' && phase !== this.#phase) assignments.push('STOPPING=1');
    if (phase === 'serving') {
      if (reloading !== undefined && reloading !== this.#reloading) {
        // The kernel's clock, since the service manager compares it with its own.
        assignments.push('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`);
      } else if (phase !== this.#phase || (reloading === undefined && this.#reloading !== undefined))
        assignments.push('READY=1');
    }
    this.#phase = phase;
    this.#reloading = reloading;
    const status = `STATUS=${statusOf(this.#supervisor)}`;
    if (status !== this.#status) assignments.push(status);
    this.#status = status;
    if (assignments.length > 0) this.#notifier.send(...assignments);
  }
}

/** One line for `systemctl status`. */
function statusOf({ stopping, ready, target, restarts }: Supervisor): string {
  const { step, last } = restarts;
  if (stopping) return 'waiting for connections to finish';
  if (step !== undefined) return `restarting worker ${step} of ${target} ...`;
  const workers = `${ready} of ${target} workers ready`;
  if (last?.error === undefined) return workers;
  const [why] = last.error.split('\n', 1);
  return `${workers}; restart ${last.result === 'partly' ? 'partly done' : last.result}: ${why}`;
}
