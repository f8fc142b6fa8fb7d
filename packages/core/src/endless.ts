import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Server } from 'node:net';
import { checkFunction } from './checks.js';
import type { ServerCounts, ServerStats } from './connections/servers.js';
import { invalidOption } from './errors.js';
import { type EndlessEvents, EVENT_NAMES } from './events.js';
import type { Hook, HookPhase } from './hooks.js';
import type { Lifecycle } from './lifecycle/lifecycle.js';
import type { State } from './lifecycle/phase.js';
import { type Address, parseAddress } from './listen/address.js';
import { checkListenOptions, checkServer, type ListenOptions, serverFor } from './listen/create-server.js';
import type { ProtocolSockets, SocketProtocol } from './migrate/protocols.js';
import { answerReadiness, type Readiness } from './readiness/handler.js';
import type { RestartResult } from './restart/context.js';
import type { Settings } from './settings.js';
import type { ShutdownResult } from './shutdown/context.js';
import type { HookableSignal } from './signals/signals.js';
import type { Release } from './wait-group.js';

/** The state and the counts of this process at one moment. */
export interface Stats extends ServerCounts {
  state: State;
  generation: number;
  /** Restarts that led to this process. */
  restarts: number;
  /** Failed restarts of this process. */
  failedRestarts: number;
  /** Live connections that came from the old process, or that moved to the new one. */
  migrated: number;
  /** Holds that are not released yet. */
  holds: number;
  /** The counts of each server. */
  servers: ServerStats[];
}

/** The one lifecycle of this process. */
export interface Endless {
  /**
   * Makes the server for `app` (a request listener or a ready-made `net.Server`), and inherits its socket
   * from the old process or binds it. Resolves with the server when it listens; rejects with the bind error.
   * @throws `ERR_ENDLESS_INVALID_ADDRESS`, `ERR_ENDLESS_INVALID_APP`, `ERR_ENDLESS_INVALID_OPTION`
   */
  listen(app: RequestListener | Server, address: Address, options?: ListenOptions): Promise<Server>;
  /** Sets process-wide settings. @throws `ERR_ENDLESS_INVALID_OPTION`, and changes nothing then. */
  configure(settings: Settings): void;
  /**
   * Runs `fn` before or after the action of endless for a signal, in order of registration, awaited; returns
   * the undo. `restart()` runs the hooks of SIGHUP, `shutdown()` those of SIGTERM.
   * @throws `ERR_ENDLESS_UNKNOWN_SIGNAL`, `ERR_ENDLESS_INVALID_OPTION`
   */
  hook(phase: HookPhase, signal: HookableSignal, fn: Hook): () => void;
  /**
   * Keeps the live connections of this server from moving to the successor: they get a close notice instead.
   * For a server that the framework makes listen; call this before or after that.
   * @throws `ERR_ENDLESS_INVALID_APP`
   */
  keepConnections(server: Server): void;
  /** Calls `fn` with the address, as it was given, before each server begins to accept; returns the undo. */
  beforeBegin(fn: (address: unknown) => void): () => void;
  /**
   * Replaces this process by a new one, as SIGHUP does; resolves when the new one accepts. If that fails,
   * this process serves on. The promise then rejects with an {@link EndlessError} that has details of the
   * successor.
   */
  restart(): Promise<RestartResult>;
  /** Drains this process, as SIGTERM does, but does not exit: resolves when it has drained. */
  shutdown(): Promise<ShutdownResult>;
  /** Force-closes at once what is still open, as SIGUSR2 does; ignored with a log line if not draining. */
  hammer(): void;
  /** Reports that every server listens: endless stops waiting for unclaimed inherited addresses. */
  ready(): void;
  /** Makes a drain wait until the returned release is called, at most until the deadline. */
  hold(): Release;
  /**
   * Lets the sockets of a protocol other than HTTP (upgraded ones, or those of a plain `net.Server`) move to
   * the new process. Both processes know the protocol by its name.
   * @throws `ERR_ENDLESS_INVALID_OPTION`
   */
  protocol<State>(name: string, protocol: SocketProtocol<State>): ProtocolSockets;
  /** A request listener for readiness checks: 200 with state and generation, 503 once a shutdown begins. */
  readiness(request: IncomingMessage, response: ServerResponse): void;
  /** Resolves when this process has drained. */
  readonly done: Promise<void>;
  /** Aborts when a shutdown begins or a restart commits: for long polls, server-sent events, queues, cron. */
  readonly signal: AbortSignal;
  /** The lifecycle state of this process. */
  readonly state: State;
  /** The place of this process among the workers of `endless run`; undefined if that has not started it. */
  readonly worker: { readonly index: number } | undefined;
  /** 0 for the first process, one more with each restart. */
  readonly generation: number;
  /** The current state and counts. */
  stats(): Stats;
  /**
   * Calls `fn` at each such event; returns the undo. @throws `ERR_ENDLESS_INVALID_OPTION` if it is unknown.
   */
  on<Name extends keyof EndlessEvents>(event: Name, fn: (event: EndlessEvents[Name]) => void): () => void;
}

/** Makes the public API of a lifecycle. */
export function createEndless(lifecycle: Lifecycle): Endless {
  const { hooks, events } = lifecycle.shared;
  return {
    async listen(app, address, options = {}) {
      checkListenOptions(options);
      const target = parseAddress(address);
      const server = serverFor(app, options);
      lifecycle.install();
      lifecycle.expect(server, address, options);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        try {
          server.listen(target, () => {
            server.off('error', reject);
            resolve();
          });
        } catch (error) {
          server.off('error', reject);
          throw error;
        }
      });
      return server;
    },
    configure(settings) {
      lifecycle.configure(settings);
      lifecycle.install();
    },
    hook(phase, signal, fn) {
      const undo = hooks.add(phase, signal, fn);
      lifecycle.install();
      lifecycle.listenToWanted();
      return () => {
        undo();
        lifecycle.listenToWanted();
      };
    },
    keepConnections(server) {
      checkServer(server);
      lifecycle.keepConnections(server);
    },
    beforeBegin(fn) {
      checkFunction('fn', fn);
      lifecycle.install();
      return lifecycle.beforeBegin(fn);
    },
    restart: () => lifecycle.restart(),
    shutdown: () => lifecycle.shutdown(),
    hammer: () => lifecycle.hammer(),
    ready: () => lifecycle.ready(),
    hold: () => lifecycle.hold(),
    protocol(name, protocol) {
      const sockets = lifecycle.shared.protocols.define(name, protocol as SocketProtocol);
      lifecycle.install();
      return sockets;
    },
    readiness: (_request, response) => answerReadiness(response, readinessOf(lifecycle)),
    done: lifecycle.done,
    signal: lifecycle.shared.abort.signal,
    get state() {
      return lifecycle.state;
    },
    get worker() {
      const { supervisor } = lifecycle.shared;
      return supervisor && { index: supervisor.index };
    },
    get generation() {
      return lifecycle.generation;
    },
    stats: () => statsOf(lifecycle),
    on(event, fn) {
      if (!EVENT_NAMES.includes(event))
        throw invalidOption('event', event, `one of ${EVENT_NAMES.join(', ')}`);
      checkFunction('fn', fn);
      return events.on(event, fn);
    },
  };
}

/** The current answer to a readiness check of this process. */
export function readinessOf(lifecycle: Lifecycle): Readiness {
  const { state, generation, stopping } = lifecycle;
  return { status: stopping ? 503 : 200, body: { state, generation } };
}

function statsOf(lifecycle: Lifecycle): Stats {
  const servers = lifecycle.shared.servers.stats();
  const sum = (key: keyof ServerCounts) => servers.reduce((total, server) => total + server[key], 0);
  return {
    state: lifecycle.state,
    generation: lifecycle.generation,
    activeRequests: sum('activeRequests'),
    connections: sum('connections'),
    idleConnections: sum('idleConnections'),
    migrated: lifecycle.migrated,
    restarts: lifecycle.generation,
    failedRestarts: lifecycle.failedRestarts,
    holds: lifecycle.shared.waits.left('holds'),
    servers,
  };
}
