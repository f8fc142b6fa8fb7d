import type { Olders } from '../chain/olders.js';
import type { Log } from '../log.js';
import type { SettingsStore } from '../settings-store.js';
import type { World } from '../world.js';
import type { OwnEnd } from './own-end.js';
import type { Shutdown } from './shutdown.js';

/** What the exit needs to know about the successor. */
export interface Successors {
  /** Resolves when no message waits to be sent. */
  said(): Promise<void>;
  /** The pid of the newest process, if it is not this one. */
  readonly newest: number | undefined;
  readonly successor: { close(): void } | undefined;
}

/** What the exit needs from the process that exits. */
export interface ExitContext {
  world: World;
  log: Log;
  settings: SettingsStore;
  olders: Olders;
  restarts: Successors;
  ownEnd: OwnEnd;
  /** Whether an older process started this one, and has not rolled back. */
  hasOlder(): boolean;
  /** Whether a shell waits at a terminal for this process. */
  atTerminal(): boolean;
  /** Resolves when the service manager has got every message. */
  reported(shutdown: Shutdown): Promise<void> | undefined;
  /** From now on this process waits for nothing, and only the application's listeners get signals. */
  leave(): void;
}

/** Time that older generations have to exit after the common deadline: the newest exits last if it can. */
const CHAIN_TIME = 700;

/** The exit of a process that has drained: it waits for older generations, so that the newest exits last. */
export class Exit {
  readonly #context: ExitContext;
  #begun = false;
  /** Stops waiting for older processes. */
  dismiss: () => void = () => {};
  readonly #dismissed = new Promise<void>((resolve) => {
    this.dismiss = resolve;
  });

  constructor(context: ExitContext) {
    this.#context = context;
  }

  /** Waits for what is left, and exits if `exit` is set; a second call does nothing. */
  async run(shutdown: Shutdown): Promise<void> {
    if (this.#begun) return;
    this.#begun = true;
    const { world, log, settings, restarts, ownEnd, atTerminal, reported, leave } = this.#context;
    await this.#olderOnesGone(shutdown);
    await reported(shutdown);
    await restarts.said();
    const { successor, newest } = restarts;
    if (newest !== undefined && atTerminal())
      log.info(
        `pid ${newest} serves on. The terminal is the shell's again: Ctrl-C does not reach that process, \`kill ${newest}\` does.`,
      );
    if (!settings.current.exit) {
      leave();
      successor?.close();
      return;
    }
    // The channel to the successor closes only when this process exits: the successor waits until then.
    const status = () => (shutdown.reason === 'shutdown' && shutdown.cutRequests ? 1 : world.exitCode());
    world.setExitCode(status());
    if (!ownEnd.begin(shutdown, () => world.exit(status()))) leave();
  }

  async #olderOnesGone(shutdown: Shutdown): Promise<void> {
    const { world, olders, hasOlder } = this.#context;
    if (!hasOlder()) return;
    const release = world.stayAlive();
    shutdown.waitForOlder();
    const hammered = shutdown.fallen.then(
      () => new Promise<void>((resolve) => world.after(CHAIN_TIME, resolve)),
    );
    await Promise.race([olders.gone(), hammered, this.#dismissed]);
    release();
  }
}
