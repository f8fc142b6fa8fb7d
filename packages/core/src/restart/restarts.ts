import type { EndlessError } from '../errors.js';
import type { Successor } from '../handoff/successor.js';
import type { RestartContext, RestartRequest, RestartResult } from './context.js';
import { Restart } from './restart.js';
import { Retiring } from './retiring.js';
import type { Stage } from './stage.js';

/** How long this process waits for the successor to hand the channel on, while messages wait. */
const SAID_TIME = 5_000;

/** The restarts of this process, one at a time: which one is under way, and which process has taken over. */
export class Restarts {
  readonly #context: RestartContext;
  readonly #retiring: Retiring;
  #last: Restart | undefined;
  /** How many restarts before the last one have failed. */
  #failedBefore = 0;

  constructor(context: RestartContext) {
    this.#context = context;
    this.#retiring = new Retiring(context.world);
  }

  /** Replaces this process; resolves when the successor accepts, and rejects if no successor does. */
  restart(request: RestartRequest): Promise<RestartResult> {
    this.#failedBefore = this.failed;
    this.#last = new Restart(this.#context, this.#retiring, request);
    return this.#last.accepted;
  }

  get #stage(): Stage | undefined {
    return this.#last?.stage;
  }

  /** The process that has taken over, or undefined while this one is the newest. */
  get successor(): Successor | undefined {
    return this.#last?.successor;
  }

  /** The pid of the newest process, which may be newer than the successor; undefined while this is it. */
  get newest(): number | undefined {
    const { world, olders } = this.#context;
    return olders.newest === world.pid ? undefined : olders.newest;
  }

  /** The successor, if it stays, can take older processes' channels, and serves all of their addresses. */
  get adopter(): Successor | undefined {
    const { successor, servesAll } = this.#last ?? {};
    return this.#stage?.name === 'over' && servesAll && successor?.adopts ? successor : undefined;
  }

  /** Whether a restart is under way whose successor does not accept yet. */
  get underWay(): boolean {
    const name = this.#stage?.name;
    return name !== undefined && name !== 'window' && name !== 'over';
  }

  /** Whether a restart waits until the predecessor has committed. */
  get waits(): boolean {
    return this.#stage?.name === 'waiting';
  }

  /** Whether a successor serves and this process can still take over again. */
  get undecided(): boolean {
    return this.#stage?.name === 'window';
  }

  /** Whether the listening sockets have to stay open, even if the application closes a server. */
  get needsSockets(): boolean {
    const stage = this.#stage;
    return (this.underWay && !(stage?.name === 'hooks' && stage.long)) || this.undecided;
  }

  /** How many restarts have failed or were rolled back. */
  get failed(): number {
    return this.#failedBefore + (this.#last?.failed ? 1 : 0);
  }

  /** Another restart follows the one under way: the successor makes it or, if that fails, this process. */
  remember(): void {
    if (this.#last) this.#last.again = true;
    // A successor that serves already gets this now; any other at the handover.
    this.successor?.send({ type: 'restart-again' });
  }

  /** Commits the restart of this process; resolves when it drains. Undefined if no rollback window is open. */
  commitOwn(): Promise<void> | undefined {
    if (this.#stage?.name !== 'window') return undefined;
    this.#stage.standby.commit();
    return this.#last?.over;
  }

  /** Resolves when a candidate that may accept already has taken over or is gone; undefined without one. */
  crossing(error: EndlessError): Promise<void> | undefined {
    const attempt = this.#stage?.name === 'starting' ? this.#stage.attempt : undefined;
    if (!attempt?.crossing) return undefined;
    attempt.abort(error);
    const settled = () => {};
    return this.#last?.accepted.then(settled, settled);
  }

  /** Another restart is wanted: gives up on one whose candidate has not got `go`. */
  cancel(error: EndlessError): void {
    if (this.underWay) this.#last?.cancel(error);
  }

  /** This process stops: gives up on a candidate; resolves when that has exited. */
  stop(error: EndlessError): Promise<unknown> | undefined {
    const attempt = this.#stage?.name === 'starting' ? this.#stage.attempt : undefined;
    this.#last?.stop(error);
    return attempt?.gone;
  }

  /** The successors that were rolled back have this many milliseconds left (-1: no limit). */
  retire(deadline: number): void {
    this.#retiring.limit(deadline);
  }

  /** Resolves when a process reads the channel to the successor, so that no message waits. */
  async said(): Promise<void> {
    if (!this.successor?.paused) return;
    const { world } = this.#context;
    const release = world.stayAlive();
    await Promise.race([
      this.successor.said(),
      new Promise<void>((resolve) => world.after(SAID_TIME, resolve)),
    ]);
    release();
  }
}
