import type { Server, Socket } from 'node:net';
import {
  checkBoolean,
  checkCount,
  checkDuration,
  checkFunction,
  checkLimit,
  checkOneOf,
  checkText,
  unknownOption,
} from './checks.js';
import { invalidOption } from './errors.js';
import type { Logger } from './log.js';
import {
  DEFAULT_ACTIONS,
  HOOKABLE_SIGNALS,
  type HookableSignal,
  isHookable,
  type SignalAction,
} from './signals/signals.js';

/** How to start the successor, if not by the same command again. */
export interface RestartCommand {
  /** Program to run. Default: this process's Node.js binary, by its path as typed if a path was typed. */
  command?: string;
  /** Its arguments. Default: those of this process as typed, including Node's own options. */
  args?: readonly string[];
  /** Environment variables over those of the first process's start; `undefined` removes one. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Working directory. Default: the one in which this process was started, by the name that it had then. */
  cwd?: string;
}

/** The process-wide settings. All durations are milliseconds. */
export interface Settings {
  /**
   * How long in-flight requests have until they are force-closed: from `go` on a restart, from the signal on
   * a shutdown. 0: at once. -1: never by itself; SIGUSR2 still force-closes. Default 60000.
   */
  hammerTime?: number;
  /** Time for a whole request to arrive; a slower client gets a 408. Default: Node's own (300000). */
  readTimeout?: number;
  /**
   * Time for a whole response to be written, from the end of the request head; then the connection is
   * destroyed. Default: none.
   */
  writeTimeout?: number;
  /** Largest request head in bytes; a larger one gets a 431. Default: Node's own (16384). */
  maxHeaderBytes?: number;
  /** How long a successor has to become ready before it is killed and the restart fails. Default 60000. */
  startTimeout?: number;
  /**
   * `'auto'`: ready when every inherited address listens. `'manual'`: at `endless.ready()`. Default `'auto'`.
   */
  ready?: 'auto' | 'manual';
  /** Called before a successor is ready; throwing or resolving `false` means not healthy. Default: none. */
  healthCheck?: HealthCheck;
  /**
   * How long after `go` the old process can roll back, and a second restart waits; never more than half of
   * `hammerTime`. Default 2000.
   */
  rollbackWindow?: number;
  /** How many generations may drain at once; past it the oldest is force-closed. Default 3. */
  maxDraining?: number;
  /** Whether live connections move to the successor. Default true. */
  migrate?: boolean;
  /** Whether the successor gets the TLS session ticket keys, so that sessions resume. Default true. */
  tlsTickets?: boolean;
  /**
   * The answer to a request on an old connection while draining: a response with a close notice, or a 503.
   * Default `'serve'`.
   */
  lateRequests?: 'serve' | 'reject';
  /**
   * How long an idle connection may still send one more request while draining. Connections that stay idle
   * are destroyed at random moments in the second half. Default 5000 on a restart and on SIGTERM, 0 on
   * SIGINT.
   */
  idleGrace?: number;
  /** How long the server still accepts after SIGTERM, with readiness 503, before it drains. Default 0. */
  shutdownDelay?: number;
  /**
   * What each signal does; `false` switches one off. Default: SIGHUP restarts, SIGINT and SIGTERM shut down,
   * SIGUSR2 force-closes.
   */
  signals?: Partial<Record<HookableSignal, SignalAction>>;
  /** The successor's command. Default: the same command again. */
  restart?: RestartCommand;
  /**
   * Restart although the exit of this process would end its container: it is pid 1, or the child of an init
   * or a shell that is pid 1 and waits for it. Also restart although another program watches or has forked
   * this process, and would not know the successor. Default false: refused with `ERR_ENDLESS_PID_1` or
   * `ERR_ENDLESS_UNSUPPORTED`.
   */
  allowOrphaning?: boolean;
  /** File with the pid of the newest process; written whole, removed only by its owner. Default: none. */
  pidFile?: string;
  /** Whether the process exits when it has drained. Default true. */
  exit?: boolean;
  /**
   * Whether the application's own SIGTERM listeners, and its SIGHUP listeners while SIGHUP restarts, run
   * after a restart. They run in the old process when it has drained. Default true.
   */
  ownListeners?: boolean;
  /** Where log lines go; `false` for silence. Default: text lines on stderr. */
  logger?: Logger | false;
}

/**
 * Opens a connection that this process itself serves. Its port still leads to the old process, so the
 * connection comes through a private listener. Without an argument the first server serves it.
 */
export type ConnectToSelf = (server?: Server) => Promise<Socket>;

/** The application's check of whether it can serve. */
export type HealthCheck = (candidate: { connect: ConnectToSelf }) => unknown;

/** The settings with their defaults; a setting without a default may be absent. */
export interface ResolvedSettings extends Omit<Settings, 'signals' | 'restart'> {
  hammerTime: number;
  startTimeout: number;
  ready: 'auto' | 'manual';
  rollbackWindow: number;
  maxDraining: number;
  migrate: boolean;
  tlsTickets: boolean;
  allowOrphaning: boolean;
  lateRequests: 'serve' | 'reject';
  shutdownDelay: number;
  signals: Record<HookableSignal, SignalAction>;
  restart: RestartCommand;
  exit: boolean;
  ownListeners: boolean;
}

/** The settings of a process that configured nothing. */
export const DEFAULTS: ResolvedSettings = {
  hammerTime: 60_000,
  startTimeout: 60_000,
  ready: 'auto',
  rollbackWindow: 2_000,
  maxDraining: 3,
  migrate: true,
  tlsTickets: true,
  allowOrphaning: false,
  lateRequests: 'serve',
  shutdownDelay: 0,
  signals: DEFAULT_ACTIONS,
  restart: {},
  exit: true,
  ownListeners: true,
};

/** The current settings with new ones over them; throws `ERR_ENDLESS_INVALID_OPTION` if one is invalid. */
export function mergeSettings(current: ResolvedSettings, given: Settings): ResolvedSettings {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw invalidOption('settings', given, 'an object');
  const merged: ResolvedSettings = { ...current };
  for (const [name, value] of Object.entries(given)) {
    const check = Object.hasOwn(CHECKS, name) ? CHECKS[name as keyof Settings] : undefined;
    if (!check) throw unknownOption(name, Object.keys(CHECKS));
    if (value === undefined) continue;
    check(name, value);
    Object.assign(merged, { [name]: name === 'signals' ? { ...current.signals, ...defined(value) } : value });
  }
  return merged;
}

/** Drops the undefined values, which count as not given. */
function defined(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

const CHECKS: Record<keyof Settings, (name: string, value: unknown) => void> = {
  hammerTime(name, value) {
    if (value !== -1 && (typeof value !== 'number' || !(value >= 0) || !Number.isFinite(value)))
      throw invalidOption(name, value, 'a number of milliseconds, 0 for at once, or -1 for never');
  },
  readTimeout: checkLimit,
  writeTimeout: checkLimit,
  maxHeaderBytes: (name, value) => checkCount(name, value, 1),
  startTimeout: checkLimit,
  ready: checkOneOf('auto', 'manual'),
  healthCheck: checkFunction,
  maxDraining: (name, value) => checkCount(name, value, 1),
  rollbackWindow: checkDuration,
  migrate: checkBoolean,
  tlsTickets: checkBoolean,
  allowOrphaning: checkBoolean,
  lateRequests: checkOneOf('serve', 'reject'),
  idleGrace: checkDuration,
  shutdownDelay: checkDuration,
  signals: checkSignals,
  restart: checkRestart,
  pidFile: checkText,
  exit: checkBoolean,
  ownListeners: checkBoolean,
  logger(name, value) {
    const methods = value as Partial<Logger> | null;
    if (value === false) return;
    for (const method of ['info', 'warn', 'error'] as const)
      if (typeof methods?.[method] !== 'function')
        throw invalidOption(name, value, '`false` or an object with the methods info, warn and error');
  },
};

function checkSignals(name: string, value: unknown) {
  if (typeof value !== 'object' || value === null)
    throw invalidOption(name, value, 'an object by signal name');
  for (const [signal, action] of Object.entries(value)) {
    if (!isHookable(signal))
      throw invalidOption(`${name}.${signal}`, action, `one of ${HOOKABLE_SIGNALS.join(', ')} by name`);
    if (action !== undefined && ![false, 'restart', 'shutdown', 'hammer'].includes(action))
      throw invalidOption(`${name}.${signal}`, action, "'restart', 'shutdown', 'hammer' or false");
  }
}

function checkRestart(name: string, value: unknown) {
  if (typeof value !== 'object' || value === null)
    throw invalidOption(name, value, 'an object { command, args, env, cwd }');
  for (const [key, part] of Object.entries(value)) {
    if (part === undefined) continue;
    if (key === 'command' || key === 'cwd') checkText(`${name}.${key}`, part);
    else if (key === 'args') {
      if (!Array.isArray(part) || part.some((arg) => typeof arg !== 'string'))
        throw invalidOption(`${name}.args`, part, 'an array of strings');
    } else if (key === 'env') {
      if (typeof part !== 'object' || part === null) throw invalidOption(`${name}.env`, part, 'an object');
    } else
      throw unknownOption(`${name}.${key}`, [
        'restart.command',
        'restart.args',
        'restart.env',
        'restart.cwd',
      ]);
  }
}
