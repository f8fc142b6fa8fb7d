import type { TrackedServer } from '../connections/tracked-server.js';
import { decideAfter } from '../decide.js';
import { EndlessError, type SuccessorEnd } from '../errors.js';
import { markCopy, ownPathOf } from '../handoff/activated.js';
import type { Successor } from '../handoff/successor.js';
import { type Bound, label } from '../listen/address.js';
import { leavePath } from '../listen/unix-path.js';
import type { Log } from '../log.js';
import type { Departure } from '../migrate/departure.js';
import type { RawHandle } from '../node-private/handle.js';
import { acceptAgain, listeningHandle, standBy } from '../node-private/listening.js';
import type { HookableSignal } from '../signals/signals.js';
import type { World } from '../world.js';
import { CHANNEL_TIME } from './attempt.js';

/** What a handover needs of the process that hands over. */
export interface StandbyContext {
  world: World;
  log: Log;
  successor: Successor;
  departure: Departure;
  /** The servers whose addresses the successor serves. */
  servers: readonly TrackedServer[];
  /** The signal whose hooks run. */
  signal: HookableSignal;
  /** Milliseconds in which the handover can be taken back. */
  window: number;
  /** Milliseconds that the verdict of a failing `healthCheck` is waited for beyond that. */
  verdictTime: number;
  /** The window is over. */
  onCommit(): void;
  /** The successor has failed: this process accepts again. `alive`: the successor still runs and has to stop. */
  onRollback(error: EndlessError, alive: boolean): void;
}

/** Shortest time for the verdict of a `healthCheck` that is quick: two more tries. */
const QUICK_VERDICT = 1_000;

/** How long the verdict of a failing `healthCheck` is waited for once the window is over. */
export function verdictTime(window: number, hammerTime: number): number {
  const time = Math.max(window, QUICK_VERDICT);
  // The drain has to begin before the time for it is over.
  return hammerTime < 0 ? time : Math.min(time, hammerTime / 4);
}

/**
 * The time in which a successor serves already and can still be replaced by the process that it replaces.
 *
 * Only what can be undone happens here: the servers stand by on copies of their listening sockets, which the successor has
 * sent back, so that the kernel goes on queueing connections whatever becomes of it.
 */
export class Standby {
  readonly successor: Successor;
  readonly departure: Departure;
  readonly signal: HookableSignal;
  /** When it began: the hammer clock counts from here. */
  readonly began: number;
  readonly #context: StandbyContext;
  readonly #standingBy: TrackedServer[] = [];
  #over = false;
  /** Why the last `healthCheck` of the successor failed, while its verdict is not known. */
  #ailing: string | undefined;
  #isUp = false;
  #cancel = () => {};
  #finish = () => {};

  constructor(context: StandbyContext) {
    this.#context = context;
    this.successor = context.successor;
    this.departure = context.departure;
    this.signal = context.signal;
    this.began = context.world.now();
  }

  /** Stops accepting, lets the connections depart and opens the window. */
  begin(): void {
    const { world, log, servers, window, successor } = this.#context;
    const complete = this.#standBy();
    this.departure.beginSockets();
    this.departure.begin(servers);
    if (!complete && window > 0)
      log.warn('This restart cannot be taken back: the successor sent no copy of a listening socket.');
    if (!complete || window === 0) {
      this.commit();
      return;
    }
    // Servers that stand by keep no process alive.
    const release = world.stayAlive();
    this.#cancel = decideAfter(world, window, () => this.#windowIsUp());
    this.#finish = () => {
      this.#cancel();
      release();
    };
    void successor.ended.then((end) => this.#rollBack(exited(end), false));
    // A successor that lives and cannot be heard any more can be told nothing either.
    void successor.gone.then(() =>
      decideAfter(world, CHANNEL_TIME, () => this.#rollBack(unheard(successor), true)),
    );
  }

  /** The window is over by the clock: only a failing `healthCheck` whose verdict is not known is waited for. */
  #windowIsUp(): void {
    const { world, verdictTime } = this.#context;
    if (this.#ailing === undefined) {
      this.commit();
      return;
    }
    this.#isUp = true;
    this.#cancel = decideAfter(world, verdictTime, () => this.unhealthy(this.#ailing as string));
  }

  /** A `healthCheck` of the successor has failed, and it asks again. */
  ailing(reason: string): void {
    this.#ailing = reason;
  }

  /** It has succeeded since. */
  well(): void {
    this.#ailing = undefined;
    if (this.#isUp) this.commit();
  }

  /** Ends the window: the successor stays. */
  commit(): void {
    if (this.#over) return;
    this.#over = true;
    this.#finish();
    this.departure.hurry();
    this.#context.onCommit();
  }

  /** The successor says that it cannot serve. */
  unhealthy(reason: string): void {
    const { pid } = this.successor;
    this.#rollBack(
      new EndlessError(
        'ERR_ENDLESS_UNHEALTHY',
        `The successor (pid ${pid}) failed its \`healthCheck\` within the rollback window: ${reason}.`,
        { pid },
      ),
      true,
    );
  }

  #rollBack(error: EndlessError, alive: boolean): void {
    if (this.#over) return;
    this.#over = true;
    // First of all: whoever waits in the queue of a dead successor is answered now.
    for (const { server, bound, backlog } of this.#standingBy) {
      if (!listeningHandle(server)) continue;
      ownPathOf(listeningHandle(server) as RawHandle, bound as Bound);
      const errno = acceptAgain(server, backlog);
      if (errno !== 0)
        this.#context.log.error(`${label(bound as Bound)} cannot be listened on again (errno ${errno}).`);
    }
    this.departure.takeBack();
    this.#finish();
    this.#context.onRollback(error, alive);
  }

  /** Whether every server now stands by on a copy. */
  #standBy(): boolean {
    const { servers, successor } = this.#context;
    let complete = true;
    for (const tracked of servers) {
      const spare = tracked.bound && successor.takeListenerCopy(label(tracked.bound));
      if (!spare) complete = false;
      else if (!listeningHandle(tracked.server)) spare.close();
      else {
        leavePath(tracked.server);
        markCopy(spare, listeningHandle(tracked.server) as RawHandle);
        standBy(tracked.server, spare);
        this.#standingBy.push(tracked);
      }
    }
    successor.closeListenerCopies();
    return complete;
  }
}

function exited(end: SuccessorEnd): EndlessError {
  const how = end.signal ? `was ended by ${end.signal}` : `exited with status ${end.exitCode}`;
  return new EndlessError(
    'ERR_ENDLESS_SUCCESSOR_EXITED',
    `The successor (pid ${end.pid}) ${how} within the rollback window.`,
    end,
  );
}

function unheard({ pid, stderr }: Successor): EndlessError {
  return new EndlessError(
    'ERR_ENDLESS_SUCCESSOR_EXITED',
    `The successor (pid ${pid}) closed its channel within the rollback window.`,
    { pid, stderr },
  );
}
