import { spawn } from 'node:child_process';
import type { Log } from '../print/log.js';
import type { Supervisor } from './supervisor.js';

/** Time for the command `systemd-notify` to send one message. */
const HELPER_TIME = 10_000;

/**
 * Speaks systemd's notify protocol for the service, with the command `systemd-notify`: Node.js has no unix
 * datagram sockets. The pid of the supervisor never changes, so no `MAINPID` is needed.
 */
export class ServiceManager {
  readonly #supervisor: Supervisor;
  readonly #log: Log;
  #said: Promise<void> = Promise.resolve();
  #broken = false;
  #phase: 'starting' | 'ready' | 'reloading' | 'stopping' = 'starting';
  #status = '';

  private constructor(supervisor: Supervisor, log: Log) {
    this.#supervisor = supervisor;
    this.#log = log;
    supervisor.onChange(() => this.#look());
    const { WATCHDOG_USEC, WATCHDOG_PID } = process.env;
    const period = Number(WATCHDOG_USEC) / 2_000;
    const mine = WATCHDOG_PID === undefined || WATCHDOG_PID === String(process.pid);
    if (period > 0 && mine) setInterval(() => this.#say('WATCHDOG=1'), period).unref();
  }

  /** The service manager, if it waits for messages of this process. */
  static find(supervisor: Supervisor, log: Log): ServiceManager | undefined {
    return process.env.NOTIFY_SOCKET === undefined ? undefined : new ServiceManager(supervisor, log);
  }

  /** Resolves when every message was sent. */
  get said(): Promise<void> {
    return this.#said;
  }

  /** Says what has changed since the last look. */
  #look(): void {
    const { stopping, restarting, ready, target, everReady } = this.#supervisor;
    const phase = stopping ? 'stopping' : restarting ? 'reloading' : everReady ? 'ready' : 'starting';
    const status = `STATUS=${ready} of ${target} workers ready`;
    const assignments: string[] = [];
    if (phase !== this.#phase) {
      if (phase === 'ready') assignments.push('READY=1');
      if (phase === 'stopping') assignments.push('STOPPING=1');
      // The kernel's clock, since the service manager compares it with its own.
      if (phase === 'reloading')
        assignments.push('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`);
    }
    if (status !== this.#status) assignments.push(status);
    this.#phase = phase;
    this.#status = status;
    if (assignments.length > 0) this.#say(...assignments);
  }

  #say(...assignments: string[]): void {
    this.#said = this.#said.then(() => (this.#broken ? undefined : this.#saySoon(assignments)));
  }

  #saySoon(assignments: string[]): Promise<void> {
    return new Promise((resolve) => {
      const helper = spawn('systemd-notify', assignments, { stdio: 'ignore', timeout: HELPER_TIME });
      const giveUp = (why: string) => {
        if (!this.#broken) this.#log.info(`The service manager is told nothing any more: ${why}.`);
        this.#broken = true;
        resolve();
      };
      helper.once('error', (error) => giveUp(error.message));
      helper.once('exit', (code) => {
        if (code !== 0 && code !== null) giveUp(`systemd-notify exited with status ${code}`);
        resolve();
      });
    });
  }
}
