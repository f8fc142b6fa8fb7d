import type { Servers } from '../connections/servers.js';
import type { Log } from '../log.js';
import type { CloseNotices } from '../migrate/close-notices.js';
import type { Departure } from '../migrate/departure.js';
import type { WaitGroup } from '../wait-group.js';
import type { World } from '../world.js';
import type { Deadline } from './deadline.js';

/** What an adapter does at the end, such as Fastify's preClose hooks and its `app.close()`. */
export interface Closer {
  /** The drain begins. */
  begin(): unknown;
  /** No connection is left. */
  close(): unknown;
}

/** What the closing of apps needs from the process that drains. */
export interface ClosingContext {
  world: World;
  deadline: Deadline;
  apps: Apps;
  departure: Departure;
  log: Log;
  servers: Servers;
  waits: WaitGroup;
  closeNotices: CloseNotices;
}

/** What the adapters have set for their apps. */
export class Apps {
  readonly closers: Closer[] = [];
  /** Whether an adapter is in use: it may use any server, also one that comes after the last was closed. */
  used = false;
  /** Whether an adapter answers late requests in its framework's own way. */
  answerLate = false;
}

/** How often to check for a state that no event reports. */
const LOOK_EVERY = 25;

/** The apps of the adapters: called when the drain begins, and closed when no connection is left. */
export class Closing {
  readonly #context: ClosingContext;
  #begun: Promise<void>[] = [];

  constructor(context: ClosingContext) {
    this.#context = context;
  }

  /** Calls each app at the start of the drain, once no socket may still move: the app could close it. */
  begin(): void {
    const { apps, departure } = this.#context;
    this.#begun = apps.closers.map((closer) =>
      this.#attempt(async () => {
        await this.#until(() => !departure.mayMoveSockets);
        await closer.begin();
      }),
    );
  }

  /** Closes each app once it can, and resolves when that is done or the deadline has come. */
  async close(): Promise<void> {
    const { deadline, servers, waits, closeNotices } = this.#context;
    const { closers } = this.#context.apps;
    if (closers.length === 0) return;
    // The application closes the upgraded connections that stay, after a close notice where possible.
    const quiet = () => servers.quiet && closeNotices.done && waits.settled;
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
