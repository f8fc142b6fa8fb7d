import type { Servers } from '../connections/servers.js';
import { decideAfter } from '../decide.js';
import type { EndlessError, SuccessorEnd } from '../errors.js';
import type { Events } from '../events.js';
import { PROTOCOL, type ToPredecessor } from '../handoff/protocol.js';
import type { Spawner, SpawnRequest } from '../handoff/spawn.js';
import { type ListeningSocket, Successor } from '../handoff/successor.js';
import { ticketKeysOf } from '../handoff/tickets.js';
import { CHANNEL_TIME, rollbackTime, SETTLE_TIME } from '../handoff/times.js';
import { pathsLost } from '../handoff/unix-sockets.js';
import type { KeptPaths } from '../listen/kept-paths.js';
import type { Log } from '../log.js';
import type { ResolvedSettings } from '../settings.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';
import { exited, foreign, late, stopped, unhealthy, unheard } from './failures.js';

/** What an attempt uses of the process that restarts. */
export interface AttemptContext {
  world: World;
  log: Log;
  settings: SettingsStore;
  servers: Servers;
  events: Events;
  spawner: Spawner;
}

/** What one attempt starts, and the listening sockets that go to it. */
export interface AttemptRequest extends Omit<SpawnRequest, 'sockets'> {
  listeningSockets: readonly ListeningSocket[];
  /** The paths of the unix sockets among them. */
  paths: KeptPaths;
  /** The settings at the time of the request to restart. */
  limits: Pick<ResolvedSettings, 'ready' | 'startTimeout'>;
}

/** How an attempt ends: the successor accepts, or is gone. `dropped`: addresses that it no longer serves. */
export type AttemptOutcome =
  | { type: 'accepted'; successor: Successor; dropped: readonly string[] }
  | { type: 'failed'; error: EndlessError };

/** How long a candidate may take from `go` until it accepts, while this process waits to stop. */
const GO_TIME = 5_000;

/** Makes the error of a failed attempt, which also names how the successor exited. */
type Failure = (end: SuccessorEnd) => EndlessError;

/** One attempt to replace this process, from spawn until the successor accepts. */
export class Attempt {
  readonly #context: AttemptContext;
  readonly #request: AttemptRequest;
  #successor: Successor | undefined;
  #claims: { labels: string[]; waiting: string[] } = { labels: [], waiting: [] };
  /** Whether `go` was sent: the candidate may accept already, so giving it up takes a longer wait. */
  #told = false;
  #accepting = false;
  #over = false;
  #dropped: readonly string[] = [];
  #decide: (failure: Failure | undefined) => void = () => {};
  #overtime = () => {};

  constructor(context: AttemptContext, request: AttemptRequest) {
    this.#context = context;
    this.#request = request;
  }

  /** Resolves once the successor accepts, or is gone. */
  async run(): Promise<AttemptOutcome> {
    const { world, spawner, events } = this.#context;
    const { listeningSockets, limits } = this.#request;
    const decided = new Promise<Failure | undefined>((resolve) => {
      this.#decide = resolve;
    });
    this.#overtime = decideAfter(world, limits.startTimeout, () => this.#startTimeIsUp());
    try {
      const successor = await Successor.start(world, spawner, this.#request, listeningSockets);
      this.#successor = successor;
      events.emit('spawned', { pid: successor.pid, generation: successor.generation });
      void successor.ended.then(() => this.#end((end) => exited('start', end)));
      // A candidate that runs without its channel never becomes ready.
      void successor.gone.then(() =>
        decideAfter(world, CHANNEL_TIME, () => this.#end((end) => unheard('start', end))),
      );
      this.#listenTo(successor);
      const failure = await decided;
      if (!failure) return { type: 'accepted', successor, dropped: this.#dropped };
      successor.kill();
      return { type: 'failed', error: failure(await successor.ended) };
    } catch (error) {
      return { type: 'failed', error: error as EndlessError };
    } finally {
      this.#overtime();
    }
  }

  /** Whether `go` was sent, so that the candidate may accept already. */
  get crossing(): boolean {
    return this.#told && (this.#accepting || !this.#over);
  }

  /** Resolves when the candidate has exited; undefined if no candidate was started. */
  get gone(): Promise<unknown> | undefined {
    return this.#successor?.ended;
  }

  /** Kills the candidate and fails the attempt with this error, unless the candidate is about to accept. */
  abort(error: EndlessError): void {
    // The successor did not cause this error: how it exited explains nothing.
    const giveUp = () => this.#end(() => error);
    if (!this.crossing) giveUp();
    else {
      this.#overtime();
      this.#overtime = decideAfter(this.#context.world, GO_TIME, giveUp);
    }
  }

  #end(failure?: Failure): void {
    if (!this.#over && failure) this.#successor?.inbox.open({});
    this.#over = true;
    this.#decide(failure);
  }

  #listenTo({ inbox }: Successor): void {
    inbox.open({
      hello: (hello) => {
        if (hello.protocol !== PROTOCOL) this.#end((end) => foreign(hello, end));
      },
      claims: (claims) => {
        this.#claims = claims;
      },
      ready: (ready) => this.#go(ready),
      unready: ({ message, stops }) =>
        this.#end((end) => (stops ? stopped(end) : unhealthy('start', end, message))),
      accepting: () => {
        // Messages that arrive together with it are for the rollback window.
        inbox.hold();
        this.#accepting = true;
        this.#end();
      },
    });
  }

  /** All of this happens in one turn: a ready candidate gets `go` at once, or not at all. */
  #go({ dropped }: Extract<ToPredecessor, { type: 'ready' }>): void {
    const { world, log, settings, servers, events } = this.#context;
    const { pid, generation } = this.#successor as Successor;
    this.#dropped = dropped;
    for (const address of dropped)
      log.warn(
        `${address} closes after the rollback window: the new process, pid ${pid}, does not listen on it.`,
      );
    const refusal = pathsLost(this.#request.paths.check());
    if (refusal) {
      this.#end(() => refusal);
      return;
    }
    events.emit('ready', { pid, generation });
    // A listener of that event may have stopped this process.
    if (this.#over) return;
    const { current } = settings;
    const tickets = current.tlsTickets ? ticketKeysOf(servers.all()) : {};
    this.#successor?.send({ type: 'go', tickets, window: rollbackTime(current) });
    this.#told = true;
    this.#overtime();
    this.#overtime = decideAfter(world, this.#request.limits.startTimeout, () => this.#late());
  }

  #startTimeIsUp(): void {
    const { labels, waiting } = this.#claims;
    if (this.#request.limits.ready === 'auto' && labels.length > 0 && waiting.length > 0) {
      this.#successor?.send({ type: 'settle' });
      this.#overtime = decideAfter(this.#context.world, SETTLE_TIME, () => this.#late());
    } else this.#late();
  }

  #late(): void {
    const { limits, listeningSockets } = this.#request;
    const progress = {
      told: this.#told,
      claimed: this.#claims.labels.length > 0,
      inherits: listeningSockets.length > 0,
    };
    this.#end((end) => late(progress, limits, end));
  }
}
