import type { ChildProcess } from 'node:child_process';
import { messageOf } from '../errors.js';
import type { Events } from '../events.js';
import type { Log } from '../log.js';
import type { Shutdown } from '../shutdown/shutdown.js';
import type { World } from '../world.js';
import { NotifySocket } from './notify-socket.js';

/** What {@link ServiceManager} reports, and how. */
export interface NotifyContext {
  world: World;
  events: Events;
  /** Aborts when a shutdown begins or a restart is committed. */
  signal: AbortSignal;
  /** Whether this process stops for good, as the newest. */
  stopping(): boolean;
  log: Log;
  /** A connected datagram socket to the service manager, where there is one. */
  fd: number | undefined;
}

/** Time to send the last messages once the process has drained. */
const LAST_WORD_TIME = 1_000;
/** Time for the command `systemd-notify` to send one message. */
const HELPER_TIME = 10_000;

/**
 * Speaks systemd's notify protocol: one datagram per event. Node.js has no unix datagram sockets, so the unit
 * opens one (`OpenFile=`). Without it, the command `systemd-notify` sends each message.
 *
 * Only the main process sends. A successor becomes the main process at commit, when the old process reports
 * it. A successor that was reported earlier would end the unit if it died.
 */
export class ServiceManager {
  readonly #context: NotifyContext;
  readonly #socket: NotifySocket | undefined;
  #said: Promise<void> = Promise.resolve();
  #broken = false;
  #reloading = false;
  #helper: ChildProcess | undefined;
  #stopWatchdog = () => {};

  private constructor(context: NotifyContext) {
    this.#context = context;
    const { world, events, signal, fd } = context;
    if (fd !== undefined)
      this.#socket = new NotifySocket(fd, world, (error) => this.#giveUp(messageOf(error)));
    const own = (pid: number) => pid === world.pid;
    events.on('ready', ({ pid, generation }) => {
      // A successor is not the main process yet: its predecessor reports for it.
      if (!own(pid) || generation > 0) return;
      this.#say('READY=1', statusOf(pid, generation));
      this.becomeMain();
    });
    events.on('spawned', ({ generation }) => this.#reload(`starting generation ${generation}`));
    events.on('committed', ({ pid, generation }) => {
      this.#stopWatchdog();
      this.#reloading = false;
      // The new process's interval starts now: else quick restarts would let the watchdog expire.
      const alive = this.#watchdogPeriod === undefined ? [] : ['WATCHDOG=1'];
      this.#say(`MAINPID=${pid}`, 'READY=1', ...alive, statusOf(pid, generation));
    });
    events.on('failed', ({ error }) => this.notReloaded(error.message));
    events.on('rollback', ({ reason }) => this.notReloaded(reason));
    signal.addEventListener('abort', () => {
      if (context.stopping()) this.#say('STOPPING=1', 'STATUS=waiting for connections to finish');
    });
  }

  /** The service manager, if it waits for messages of this process. */
  static find(context: NotifyContext): ServiceManager | undefined {
    const wanted = context.fd !== undefined || context.world.env.NOTIFY_SOCKET !== undefined;
    return wanted ? new ServiceManager(context) : undefined;
  }

  /**
   * Resolves when every message has been sent, on a stop after a second at most: a helper that hangs is
   * killed. After a restart, a slow helper or a full socket gets more time. A main process that exits before
   * it has named its successor ends the unit.
   */
  async finish({ left, fallen }: Pick<Shutdown, 'left' | 'fallen'>): Promise<void> {
    const { world, stopping } = this.#context;
    const release = world.stayAlive();
    const after = (ms: number) => new Promise<void>((resolve) => world.after(ms, resolve));
    const deadline = left < 0 ? fallen : Promise.race([fallen, after(left)]);
    const slow = this.#socket ? deadline : after(HELPER_TIME);
    const patience = stopping() ? Promise.resolve() : slow;
    const enough = patience.then(() => after(LAST_WORD_TIME));
    await Promise.race([this.#socket?.sent() ?? this.#said, enough]);
    release();
    this.#broken = true;
    this.#helper?.kill('SIGKILL');
  }

  /** Reports that a reload failed and this process serves on. */
  notReloaded(why: string): void {
    // A requested reload must begin before it can end.
    if (!this.#reloading) this.#reload('reloading');
    this.#reloading = false;
    this.#say('READY=1', `STATUS=restart failed: ${firstLine(why)}`);
  }

  #reload(status: string): void {
    this.#reloading = true;
    // The kernel's clock, since the service manager compares it with its own.
    const now = process.hrtime.bigint() / 1_000n;
    this.#say('RELOADING=1', `MONOTONIC_USEC=${now}`, `STATUS=${status}`);
  }

  /** Makes this the main process: while its event loop turns, it sends two messages per watchdog timeout. */
  becomeMain(): void {
    const period = this.#watchdogPeriod;
    if (period === undefined) return;
    this.#stopWatchdog();
    this.#stopWatchdog = this.#context.world.every(period, () => this.#sayAlive());
  }

  /** Milliseconds between two watchdog messages; undefined without a watchdog for this process. */
  get #watchdogPeriod(): number | undefined {
    const { env, pid } = this.#context.world;
    const { WATCHDOG_USEC, WATCHDOG_PID } = env;
    const usec = Number(WATCHDOG_USEC);
    if (!(usec > 0) || (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid))) return undefined;
    return usec / 2_000;
  }

  #say(...assignments: string[]): void {
    if (this.#broken) return;
    if (this.#socket) this.#socket.send(assignments.join('\n'));
    else this.#said = this.#said.then(() => this.#sayByCommand(assignments));
  }

  /** One waiting message of this kind is enough. */
  #sayAlive(): void {
    if (this.#socket && !this.#broken) this.#socket.sendOnce('WATCHDOG=1');
    else this.#say('WATCHDOG=1');
  }

  #sayByCommand(assignments: string[]): Promise<void> {
    const { world } = this.#context;
    if (this.#broken) return Promise.resolve();
    const release = world.stayAlive();
    return new Promise<void>((resolve) => {
      const helper = world.spawn('systemd-notify', assignments, { stdio: 'ignore' });
      this.#helper = helper;
      const cancel = world.after(HELPER_TIME, () => {
        helper.kill('SIGKILL');
        this.#context.log.warn(
          'systemd-notify did not end within 10 s: one message to the service manager is lost.',
        );
      });
      helper.once('error', (error) => {
        cancel();
        this.#giveUp(messageOf(error));
        resolve();
      });
      helper.once('exit', (status, signal) => {
        cancel();
        this.#helper = undefined;
        // A helper that a signal ended was slow, or this process exits: the next message may get through.
        if (status !== 0 && !signal) this.#giveUp(`systemd-notify exited with status ${status}`);
        resolve();
      });
    }).finally(release);
  }

  #giveUp(why: string): void {
    if (this.#broken) return;
    this.#broken = true;
    this.#stopWatchdog();
    this.#context.log.warn(`Stopped reporting to the service manager: ${why}.`);
  }
}

function statusOf(pid: number, generation: number): string {
  return `STATUS=serving: pid ${pid}, generation ${generation}`;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] as string;
}
