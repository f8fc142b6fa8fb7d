import type { EndlessError } from '../errors.js';
import type { Successor } from '../handoff/successor.js';
import type { RestartContext, RestartRequest, RestartResult } from './context.js';
import { Restart } from './restart.js';
import { Retiring } from './retiring.js';
import type { Stage } from './stage.js';

/** Time that messages which wait have while the successor hands the channel on. */
const SAID_TIME = 5_000;

/** The restarts of this process, one at a time: which one is under way, and which process has taken over. */
export class Restarts {
  readonly #context: RestartContext;
  readonly #retiring: Retiring;
  #last: Restart | undefined;
  /** How many before the last have failed. */
  #failedBefore = 0;

  constructor(context: RestartContext) {
    this.#context = context;
    this.#retiring = new Retiring(context.world);
  }

  /** Replaces this process; resolves when the successor accepts, and rejects where none came to that. */
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

  /** The pid of the newest process, or undefined while that is this one: the successor may have been replaced too. */
  get newest(): number | undefined {
    const { world, olders } = this.#context;
    return olders.newest === world.pid ? undefined : olders.newest;
  }

  /** The successor, if it stays and can take the channel of an older process, and whatever may come over that. */
  get adopter(): Successor | undefined {
    const { successor, servesAll } = this.#last ?? {};
    return this.#stage?.name === 'over' && servesAll && successor?.adopts ? successor : undefined;
  }

  /** Whether a restart has no successor yet that accepts. */
  get underWay(): boolean {
    const name = this.#stage?.name;
    return name !== undefined && name !== 'window' && name !== 'over';
  }

  /** Whether a restart waits until the process before this one has committed. */
  get waits(): boolean {
    return this.#stage?.name === 'waiting';
  }

  /** Whether a successor serves and this process can still take over again. */
  get undecided(): boolean {
    return this.#stage?.name === 'window';
  }

  /** Whether the listening sockets have to stay, whatever the application closes. */
  get needsSockets(): boolean {
    const stage = this.#stage;
    return (this.underWay && !(stage?.name === 'hooks' && stage.long)) || this.undecided;
  }

  /** How many restarts have failed or were rolled back. */
  get failed(): number {
    return this.#failedBefore + (this.#last?.failed ? 1 : 0);
  }

  /** One more restart follows the one that is under way: of the successor or, if that fails, of this process. */
  remember(): void {
    if (this.#last) this.#last.again = true;
    // One that serves already learns it now; any other at the handover.
    this.successor?.send({ type: 'restart-again' });
  }

  /** Ends the rollback window; resolves when this process drains. Undefined where no window is open. */
  commit(): Promise<void> | undefined {
    if (this.#stage?.name !== 'window') return undefined;
    this.#stage.standby.commit();
    return this.#last?.over;
  }

  /** Resolves when a candidate that may accept already has taken over or is gone; undefined where there is none. */
  crossing(error: EndlessError): Promise<void> | undefined {
    const attempt = this.#stage?.name === 'starting' ? this.#stage.attempt : undefined;
    if (!attempt?.crossing) return undefined;
    attempt.abort(error);
    const settled = () => {};
    return this.#last?.accepted.then(settled, settled);
  }

  /** This process stops: gives up on a candidate that is on its way; resolves when that is gone. */
  stop(error: EndlessError): Promise<unknown> | undefined {
    const attempt = this.#stage?.name === 'starting' ? this.#stage.attempt : undefined;
    this.#last?.stop(error);
    return attempt?.gone;
  }

  /** The successors that were rolled back have this many milliseconds left (-1: no limit). */
  retire(deadline: number): void {
    this.#retiring.limit(deadline);
  }

  /** Resolves when no message waits to be sent, since the channel to the successor is read. */
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
