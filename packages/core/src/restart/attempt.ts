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
import { exited, foreign, late, unhealthy, unheard } from './failures.js';

/** What an attempt uses of the process that restarts. */
export interface AttemptContext {
  world: World;
  log: Log;
  settings: SettingsStore;
  servers: Servers;
  events: Events;
  spawner: Spawner;
}

/** What one attempt starts, and what goes to it. */
export interface AttemptRequest extends Omit<SpawnRequest, 'sockets'> {
  listeningSockets: readonly ListeningSocket[];
  /** The paths of the unix sockets among them. */
  paths: KeptPaths;
  /** The settings of the moment at which the restart was requested. */
  limits: Pick<ResolvedSettings, 'ready' | 'startTimeout'>;
}

/** What an attempt comes to: the successor accepts, or it is gone. `dropped`: addresses that it does not serve any more. */
export type AttemptOutcome =
  | { type: 'accepted'; successor: Successor; dropped: readonly string[] }
  | { type: 'failed'; error: EndlessError };

/** How long a candidate that was told to go may take to accept while this process waits to stop. */
const GO_TIME = 5_000;

/** Why the attempt failed, as an error that also says how the successor ended. */
type Failure = (end: SuccessorEnd) => EndlessError;

/** One attempt to replace this process, from spawn to the moment at which the successor accepts. */
export class Attempt {
  readonly #context: AttemptContext;
  readonly #request: AttemptRequest;
  #successor: Successor | undefined;
  #claims: { labels: string[]; waiting: string[] } = { labels: [], waiting: [] };
  /** Whether the candidate was told to go: it may accept already, so it is given up only if it does not for long. */
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
      // A candidate that lives and cannot be heard any more will never be ready.
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

  /** Whether the candidate was told to go, so that it may accept already. */
  get crossing(): boolean {
    return this.#told && (this.#accepting || !this.#over);
  }

  /** Resolves when the candidate is gone; undefined where none was started. */
  get gone(): Promise<unknown> | undefined {
    return this.#successor?.ended;
  }

  /** Gives up on the candidate: it is killed and the attempt fails with this error, unless it accepts in this moment. */
  abort(error: EndlessError): void {
    // The successor is not to blame: how it ended explains nothing.
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
      unready: ({ message }) => this.#end((end) => unhealthy('start', end, message)),
      accepting: () => {
        // What comes in one breath with it is for the rollback window.
        inbox.hold();
        this.#accepting = true;
        this.#end();
      },
    });
  }

  /** Effects of one turn: a candidate that is ready goes on at once, or not at all. */
  #go({ dropped }: Extract<ToPredecessor, { type: 'ready' }>): void {
    const { world, log, settings, servers, events } = this.#context;
    const { pid, generation } = this.#successor as Successor;
    this.#dropped = dropped;
    for (const address of dropped)
      log.warn(`${address} is not served by the new process any more: it closes.`);
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
