import type { Server, Socket } from 'node:net';
import { isMainThread } from 'node:worker_threads';
import { Intake } from '../connections/intake.js';
import { messageOf } from '../errors.js';
import { concerns } from '../handoff/inheritance.js';
import { watchTicketKeys } from '../handoff/tickets.js';
import { RUNS_ENDLESS_COMMAND } from '../supervisor/endless-command.js';
import type { Candidate } from '../takeover/candidate.js';
import { install } from './install.js';
import type { Listeners } from './listeners.js';
import type { Restarting } from './restarting.js';
import type { Shared } from './shared.js';
import type { Stopping } from './stopping.js';
import { Supervised } from './supervised.js';
import type { TakingOver } from './taking-over.js';

/** The parts of the lifecycle that the servers of a process need. */
export interface ServingParts {
  listeners: Listeners;
  stopping: Stopping;
  takingOver: TakingOver;
  restarting: Restarting;
}

/** Whether this thread may run servers of the program. */
const SERVES = isMainThread && !RUNS_ENDLESS_COMMAND;

/** How servers come to this process and leave it again, and when it is ready. */
export class Serving {
  readonly intake: Intake;
  readonly #shared: Shared;
  readonly #parts: ServingParts;
  /** What `endless run` is told, if that has started this process. */
  readonly #supervised: Supervised | undefined;
  #installed = false;
  /** With `register`, endless tracks every server of the program, also one that listens after the last was closed. */
  #watchForGood = false;
  #stopWatching: (() => void) | undefined;
  /** Whether the application has closed its last server, so that endless need not warn of later ones. */
  #retired = false;

  constructor(shared: Shared, parts: ServingParts) {
    this.#shared = shared;
    this.#parts = parts;
    const { world, servers, settings, log } = shared;
    this.intake = new Intake({
      ...{ world, servers, settings, log },
      generation: () => shared.generation,
      claim: (server, asked, ipv6Only) =>
        Boolean(
          shared.phase.candidate?.claim(server, asked, ipv6Only) ||
            shared.surroundings?.activated?.claim(server, asked, ipv6Only),
        ),
      expectsAll: () => !this.#retired,
      onListening: (server) => this.#listening(server),
      asks: (server, options) => shared.supervisor?.sockets.late.asks(server, options),
      binds: (server, asked) => {
        shared.phase.candidate?.binds(server, asked);
        shared.supervisor?.sockets.late.binds(server, asked);
      },
    });
    this.#supervised = Supervised.of(shared, parts);
    // A program may look for a free port before it uses endless.
    if (SERVES && shared.promised) this.#watch();
  }

  /** Whether the program was preloaded, and so are its workers. */
  get forGood(): boolean {
    return this.#watchForGood;
  }

  /** First use: reads the handoff, and then sees each server that begins to listen. */
  install({ forGood = false } = {}): void {
    this.#watchForGood ||= forGood;
    if (!SERVES || this.#shared.phase.state === 'terminated') return;
    if (!this.#installed) {
      this.#installed = true;
      const { listeners, stopping, takingOver } = this.#parts;
      install(this.#shared, {
        listeners,
        onStop: () => void stopping.bySignal('SIGTERM'),
        beforeOpening: () => this.#aboutToAccept(),
        // Last, since a listener of 'ready' may stop the process again at once.
        onGo: (candidate: Candidate, window) => this.#becomeReady(takingOver.begin(candidate, window)),
      });
    }
    this.#watch();
  }

  /** Tracks a server that listened before the first use of endless. Node.js ends its other connections. */
  adopt(server: Server, socket: Socket): void {
    const { servers } = this.#shared;
    if (!SERVES || !server.listening) return;
    if (!servers.get(server)) {
      this.install();
      this.intake.listening(server);
    }
    servers.adopt(server, socket);
  }

  /** The program has all its servers: generation 0 is ready without one, a candidate without the remaining addresses. */
  ready(): void {
    this.install();
    const { candidate, state } = this.#shared.phase;
    if (candidate) candidate.complete();
    else if (state === 'init' && SERVES) this.#accept();
  }

  /** No server is expected any more. */
  stopWatching(): void {
    this.#stopWatching?.();
    this.#stopWatching = undefined;
  }

  #watch(): void {
    this.#stopWatching ??= this.#shared.world.watchListening({
      beforeListen: (server, options) =>
        this.#guard(() => {
          if (!this.#installed && concerns(options, this.#shared.promised)) this.install();
          if (this.#installed) this.intake.beforeListen(server, options);
        }),
      listening: (server) => this.#guard(() => this.#installed && this.intake.listening(server)),
      failed: (server, error) =>
        this.#guard(
          () => this.#installed && this.#supervised?.failed(server, this.intake.askedBy(server), error),
        ),
    });
  }

  /** A subscriber of the listen channel must never throw. */
  #guard(fn: () => unknown): void {
    try {
      fn();
    } catch (error) {
      this.#shared.log.error(`endless could not prepare a server for restarts: ${messageOf(error)}`);
    }
  }

  #listening(server: Server): void {
    watchTicketKeys(server);
    server.once('close', () => this.#closed(server));
    this.#parts.takingOver.tellKept();
    const { candidate } = this.#shared.phase;
    if (candidate) {
      candidate.changed();
      return;
    }
    this.intake.begin(server);
    this.#supervised?.listening();
    if (this.#shared.phase.state === 'init') this.#accept();
  }

  /** The application has closed a server. A drain notices that by itself. */
  #closed(server: Server): void {
    const { phase, restarts, servers, apps } = this.#shared;
    const { current, candidate, end } = phase;
    if (restarts.undecided || end || server.listening) return;
    const tracked = servers.get(server);
    const used = tracked?.used;
    if (tracked && !candidate) this.#supervised?.closed(tracked);
    servers.remove(server);
    if (candidate) {
      candidate.changed();
      return;
    }
    if (servers.size > 0 || current.name !== 'serving') return;
    phase.enter({ ...current, name: 'starting' });
    this.#parts.listeners.stop();
    // A server that never had a connection may have been a port check, and the real one is still to come.
    if (this.#watchForGood || apps.used || !(used || this.intake.expected(server))) return;
    this.stopWatching();
    this.#retired = true;
    // The same server may be made to listen again.
    server.once('listening', () => this.install());
  }

  /** Runs before the old process gets `accepting`, since that process removes a pid file with its own pid. */
  #aboutToAccept(): void {
    this.#shared.writePidFile();
    for (const { server } of this.#shared.servers.all()) this.intake.begin(server);
  }

  #accept(): void {
    this.#shared.writePidFile();
    this.#becomeReady();
  }

  #becomeReady(probation = this.#shared.phase.probation): void {
    const { world, phase, events, generation } = this.#shared;
    if (!phase.enter({ name: 'serving', ...(probation && { probation }) })) return;
    this.#parts.listeners.listen();
    events.emit('ready', { pid: world.pid, generation });
  }
}
