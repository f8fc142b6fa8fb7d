import type { Log } from '../log.js';
import type { Departure } from '../migrate/departure.js';
import type { World } from '../world.js';
import type { Deadline } from './deadline.js';

/** What an adapter does at the end, such as Fastify's preClose hooks and its `app.close()`. */
export interface Closer {
  /** The drain begins. */
  begin(): unknown;
  /** No connection is left. */
  close(): unknown;
}

/** What the closing of apps needs of the process that drains. */
export interface ClosingContext {
  world: World;
  deadline: Deadline;
  closers: readonly Closer[];
  departure: Departure;
  log: Log;
  /** Whether no connection is left but upgraded ones that stay, which are the application's to close, and none can come. */
  quiet(): boolean;
}

/** How often it is looked whether something has come about that nobody reports. */
const LOOK_EVERY = 25;

/** The apps of the adapters: they get a call when the drain begins, and are closed when no connection is left. */
export class Closing {
  readonly #context: ClosingContext;
  #begun: Promise<void>[] = [];

  constructor(context: ClosingContext) {
    this.#context = context;
  }

  /** Tells each app that the drain begins. One may close sockets that could still move: it waits for these. */
  begin(): void {
    const { closers, departure } = this.#context;
    this.#begun = closers.map((closer) =>
      this.#attempt(async () => {
        await this.#until(() => !departure.mayMoveSockets);
        await closer.begin();
      }),
    );
  }

  /** Closes each app once it can, and resolves when that is done or the deadline has come. */
  async close(): Promise<void> {
    const { closers, deadline, quiet } = this.#context;
    if (closers.length === 0) return;
    await deadline.bound(Promise.all([this.#until(quiet), ...this.#begun]));
    for (const closer of [...closers]) await deadline.bound(this.#attempt(() => closer.close()));
  }

  async #until(holds: () => boolean): Promise<void> {
    const { world, deadline } = this.#context;
    while (!(holds() || deadline.expired))
      await new Promise<void>((resolve) => world.after(LOOK_EVERY, resolve));
  }

  async #attempt(fn: () => unknown): Promise<void> {
    try {
      await fn();
    } catch (error) {
      this.#context.log.error(`Closing the application failed: ${String(error)}`);
    }
  }
}
