import type { Server } from 'node:net';
import type { TrackedServer } from '../connections/tracked-server.js';
import { EndlessError, messageOf } from '../errors.js';
import { markActivated } from '../handoff/activated.js';
import { type Asked, type Bound, label, matchOf } from '../listen/address.js';
import { leavePath } from '../listen/unix-path.js';
import type { RawHandle } from '../node-private/handle.js';
import { listeningHandle } from '../node-private/listening.js';
import type { RunSupervisor } from '../supervised/run-supervisor.js';
import type { Restarting } from './restarting.js';
import { SessionTickets } from './session-tickets.js';
import type { Shared } from './shared.js';
import type { Stopping } from './stopping.js';

/** The parts of the lifecycle that obey `endless run`. */
export interface SupervisedParts {
  restarting: Pick<Restarting, 'replace'>;
  stopping: Pick<Stopping, 'bySignal'>;
}

/** When the supervisor gets a copy of the socket of a server that still listens. */
const COPY_AFTER = 20;

/** What a worker of `endless run` tells it, and does for it. */
export class Supervised {
  readonly #supervisor: RunSupervisor;
  readonly #shared: Shared;
  /** The listening sockets of which the supervisor has got a copy. */
  readonly #copied = new WeakSet<RawHandle>();
  #saidApart = false;
  readonly #tickets: SessionTickets;

  private constructor(supervisor: RunSupervisor, shared: Shared, parts: SupervisedParts) {
    this.#supervisor = supervisor;
    this.#shared = shared;
    this.#tickets = new SessionTickets(supervisor, shared);
    const { world, events, settings } = shared;
    events.on('ready', ({ pid, generation }) => {
      if (pid !== world.pid) return;
      // The supervisor has these already.
      if (shared.promised) this.#copySockets();
      this.#tickets.share();
      supervisor.send({ type: 'ready', generation, hammerTime: settings.current.hammerTime });
    });
    events.on('draining', ({ reason, deadlineMs }) => {
      // Another worker takes the place of this one, on the same sockets.
      this.#copySockets();
      supervisor.sockets.close();
      supervisor.send({ type: 'draining', reason, deadline: deadlineMs });
    });
    supervisor.sockets.onOpened = () => this.#copySockets();
    let moved = 0;
    events.on('handover', () => {
      moved = 0;
    });
    events.on('migrated', () => {
      moved += 1;
    });
    events.on('committed', ({ pid }) => supervisor.send({ type: 'committed', pid, moved }));
    events.on('rollback', ({ pid, reason }) =>
      supervisor.send({ type: 'rolled-back', pid, message: reason }),
    );
    supervisor.onRestart = () => {
      parts.restarting.replace().catch((error) => {
        supervisor.send({ type: 'not-restarted', message: messageOf(error) });
      });
    };
    supervisor.counts = () => {
      const { connections, upgraded, activeRequests } = shared.servers;
      return { connections, upgraded, requests: activeRequests };
    };
    supervisor.onCopy = (done) => this.#copyAll(done);
    supervisor.onCancel = () => shared.restarts.cancel(cancelled());
    void supervisor.closed.then(() => this.#alone(parts.stopping));
  }

  /** Undefined if `endless run` has not started this process. */
  static of(shared: Shared, parts: SupervisedParts): Supervised | undefined {
    return shared.supervisor && new Supervised(shared.supervisor, shared, parts);
  }

  /**
   * A server listens: the supervisor gets a copy of its socket soon. A port check has closed by then, and the
   * supervisor would keep its port in use.
   */
  listening(): void {
    this.#tickets.share();
    this.#shared.world.after(COPY_AFTER, () => this.#copySockets());
  }

  /** A server could not listen: another worker may have bound its address at the same moment. */
  failed(server: Server, asked: Asked | undefined, error: NodeJS.ErrnoException): void {
    const { phase, servers } = this.#shared;
    if (error.code !== 'EADDRINUSE' || !asked || ('port' in asked && asked.port === 0) || phase.end) return;
    const isOwn = servers
      .all()
      .some(
        (own) =>
          own.server.listening &&
          own.asked &&
          own.bound &&
          matchOf(asked, { asked: own.asked, bound: own.bound }) > 0,
      );
    if (!isOwn) this.#supervisor.sockets.late.wait(server, error);
  }

  /** Sends the supervisor what it has not got yet, once a port check would have closed. */
  #copyAll(done: () => void): void {
    const { phase, world } = this.#shared;
    if (phase.candidate || this.#uncopied().length === 0) done();
    else
      world.after(COPY_AFTER, () => {
        this.#copySockets();
        done();
      });
  }

  /**
   * Sends the supervisor a copy of each listening socket that it has not got from this process. A socket that
   * the program has opened by its descriptor is left out: the next process would not ask for it.
   */
  #copySockets(): void {
    const { servers } = this.#shared;
    const { ambiguous } = servers.listeningSockets();
    for (const { server, bound } of servers.all()) {
      const handle = listeningHandle(server);
      if (handle && bound && ambiguous.includes(label(bound))) this.#keepApart(handle, bound);
    }
    for (const { server, handle, asked, bound, backlog } of this.#uncopied()) {
      this.#copied.add(handle);
      this.#supervisor.send({ type: 'listening', asked, bound, backlog }, handle);
      // Its path is the supervisor's from now on.
      markActivated(handle);
      leavePath(server);
    }
  }

  /** The servers of whose sockets the supervisor has got no copy from this process. */
  #uncopied() {
    const { servers } = this.#shared;
    const { overtaken } = this.#supervisor.sockets;
    const { listeningSockets } = servers.listeningSockets();
    return servers.all().flatMap(({ server, asked, bound, backlog }) => {
      const handle = listeningHandle(server);
      if (!handle || !asked || !bound || this.#copied.has(handle) || overtaken.has(server)) return [];
      return listeningSockets.some((each) => each.handle === handle)
        ? [{ server, handle, asked, bound, backlog }]
        : [];
    });
  }

  /** Another server asks for port 0 too: the supervisor gives this one up, if it has got it. */
  #keepApart(handle: RawHandle, bound: Bound): void {
    const { log } = this.#shared;
    if (this.#copied.delete(handle)) this.#supervisor.send({ type: 'closed', bound });
    if (this.#saidApart) return;
    this.#saidApart = true;
    log.warn('Two servers asked for port 0 of one host: each worker binds ports of its own for them.');
  }

  /** The program has closed a server: no client may wait in its queue. */
  closed({ bound }: TrackedServer): void {
    if (bound) this.#supervisor.send({ type: 'closed', bound });
  }

  /** The supervisor is gone: no process replaces this worker if it exits, and its port must be free for the next. */
  #alone(stopping: SupervisedParts['stopping']): void {
    const { world, log, phase } = this.#shared;
    if (phase.candidate) world.exit(1);
    else if (!phase.end) {
      log.warn('The supervisor is gone: this worker stops.');
      void stopping.bySignal('SIGTERM');
    }
  }
}

function cancelled(): EndlessError {
  return new EndlessError('ERR_ENDLESS_SUPERVISED', 'Another restart takes the place of this one.');
}
