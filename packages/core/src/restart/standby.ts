import type { TrackedServer } from '../connections/tracked-server.js';
import { decideAfter } from '../decide.js';
import type { EndlessError } from '../errors.js';
import { markCopy, ownPathOf } from '../handoff/activated.js';
import type { Handlers } from '../handoff/inbox.js';
import type { ToPredecessor } from '../handoff/protocol.js';
import type { Successor } from '../handoff/successor.js';
import { CHANNEL_TIME, rollbackTime, verdictTime } from '../handoff/times.js';
import { type Bound, label } from '../listen/address.js';
import { leavePath } from '../listen/unix-path.js';
import type { Log } from '../log.js';
import type { Departure } from '../migrate/departure.js';
import type { RawHandle } from '../node-private/handle.js';
import { acceptAgain, listeningHandle, standBy } from '../node-private/listening.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';
import { exited, unhealthy, unheard } from './failures.js';

/** What a standby uses of the process that hands over. */
export interface StandbyContext {
  world: World;
  log: Log;
  settings: SettingsStore;
}

/** How the rollback window ends. `alive`: the successor still runs and has to stop. */
export type Verdict = { type: 'committed' } | { type: 'rolled-back'; error: EndlessError; alive: boolean };

/**
 * The rollback window in the old process: the successor serves already, and this process can still take over
 * again.
 *
 * Only what can be undone happens here. The servers stand by on the listener copies that the successor has
 * sent back, so the kernel goes on queueing connections even if the successor exits.
 */
export class Standby {
  readonly successor: Successor;
  readonly departure: Departure;
  /** When it began: `hammerTime` counts from here. */
  readonly began: number;
  /** A decision takes effect in the same turn; only the report of it is a promise. */
  readonly verdict: Promise<Verdict>;
  readonly #context: StandbyContext;
  readonly #standingBy: TrackedServer[] = [];
  readonly #window: number;
  readonly #verdictTime: number;
  #over = false;
  /** Why the last `healthCheck` of the successor failed, while its verdict is not known. */
  #ailing: string | undefined;
  #isUp = false;
  #cancel = () => {};
  #finish = () => {};
  #decide: (verdict: Verdict) => void = () => {};

  constructor(context: StandbyContext, successor: Successor, departure: Departure) {
    this.#context = context;
    this.successor = successor;
    this.departure = departure;
    this.began = context.world.now();
    const { current } = context.settings;
    this.#window = rollbackTime(current);
    this.#verdictTime = verdictTime(this.#window, current.hammerTime);
    this.verdict = new Promise((resolve) => {
      this.#decide = resolve;
    });
  }

  /**
   * Stops accepting on the servers, whose addresses the successor serves, and begins the departure of their
   * connections. Opens the window, if there is one, and returns whether it did.
   */
  begin(servers: readonly TrackedServer[], messages: Handlers<ToPredecessor>): boolean {
    const { world, log } = this.#context;
    const complete = this.#standBy(servers);
    this.departure.beginSockets();
    this.departure.begin(servers);
    if (!complete && this.#window > 0)
      log.warn(
        `This restart cannot be rolled back: pid ${this.successor.pid} sent no copy of a listening socket.`,
      );
    if (!complete || this.#window === 0) {
      this.commit();
      return false;
    }
    // Servers that stand by keep no process alive.
    const release = world.stayAlive();
    this.#cancel = decideAfter(world, this.#window, () => this.#windowIsUp());
    this.#finish = () => {
      this.#cancel();
      release();
    };
    const { successor } = this;
    void successor.ended.then((end) => this.#rollBack(exited('window', end), false));
    // A successor that runs without its channel gets no message either.
    void successor.gone.then(() =>
      decideAfter(world, CHANNEL_TIME, () => {
        const { pid, stderr } = successor;
        this.#rollBack(unheard('window', { pid, stderr }), true);
      }),
    );
    successor.inbox.open(messages);
    return true;
  }

  /** The time of the window is up: only a failing `healthCheck` whose verdict is open delays the commit. */
  #windowIsUp(): void {
    if (this.#ailing === undefined) {
      this.commit();
      return;
    }
    this.#isUp = true;
    this.#cancel = decideAfter(this.#context.world, this.#verdictTime, () =>
      this.unhealthy(this.#ailing as string),
    );
  }

  /** A `healthCheck` of the successor has failed, and the successor calls it again. */
  ailing(reason: string): void {
    this.#ailing = reason;
  }

  /** The `healthCheck` has succeeded since. */
  well(): void {
    this.#ailing = undefined;
    if (this.#isUp) this.commit();
  }

  /** The successor reports that it cannot serve. */
  unhealthy(reason: string): void {
    this.#rollBack(unhealthy('window', { pid: this.successor.pid }, reason), true);
  }

  /** Ends the window: the successor stays. */
  commit(): void {
    if (this.#over) return;
    this.#over = true;
    this.#end({ type: 'committed' });
    this.departure.hurry();
  }

  #rollBack(error: EndlessError, alive: boolean): void {
    if (this.#over) return;
    this.#over = true;
    // First of all: clients that wait in the queue of a dead successor get their answers now.
    for (const { server, bound, backlog } of this.#standingBy) {
      if (!listeningHandle(server)) continue;
      ownPathOf(listeningHandle(server) as RawHandle, bound as Bound);
      const errno = acceptAgain(server, backlog);
      if (errno !== 0)
        this.#context.log.error(`Cannot listen on ${label(bound as Bound)} again: errno ${errno}.`);
    }
    this.departure.takeBack();
    this.#end({ type: 'rolled-back', error, alive });
  }

  #end(verdict: Verdict): void {
    // Messages that arrive together with the end are for the time after it.
    this.successor.inbox.hold();
    this.#finish();
    this.#decide(verdict);
  }

  /** Makes the servers stand by on their copies; returns whether no copy was missing. */
  #standBy(servers: readonly TrackedServer[]): boolean {
    const { listenerCopies } = this.successor;
    let complete = true;
    for (const tracked of servers) {
      const copy = tracked.bound && listenerCopies.take(label(tracked.bound));
      if (!copy) complete = false;
      else if (!listeningHandle(tracked.server)) copy.close();
      else {
        leavePath(tracked.server);
        markCopy(copy, listeningHandle(tracked.server) as RawHandle);
        standBy(tracked.server, copy);
        this.#standingBy.push(tracked);
      }
    }
    listenerCopies.close();
    return complete;
  }
}
