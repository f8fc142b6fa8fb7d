import { decideAfter } from '../decide.js';
import { EndlessError, type SuccessorEnd } from '../errors.js';
import type { Command } from '../handoff/command.js';
import { PROTOCOL, type ToPredecessor } from '../handoff/protocol.js';
import { type ListeningSocket, Successor, type Surroundings } from '../handoff/successor.js';
import type { Log } from '../log.js';
import type { ResolvedSettings } from '../settings.js';
import type { World } from '../world.js';

/** What a restart comes to, at the moment at which the new process accepts. */
export interface RestartResult {
  /** Process id of the new process. */
  pid: number;
  /** Its generation. */
  generation: number;
  /** Milliseconds from the request to restart. */
  durationMs: number;
}

/** What a restart needs of the process that restarts. */
export interface AttemptContext {
  world: World;
  settings: ResolvedSettings;
  log: Log;
  generation: number;
  /** Called with the successor once it was started. */
  onSpawned(successor: Successor): void;
  /** Called once it is ready. */
  onReady(successor: Successor): void;
  /** Why it must not take over although it is ready, if there is a reason on this side. */
  whyNotGo(): EndlessError | undefined;
  /** What the successor keeps of the surroundings in which the first process was started. */
  surroundings: Surroundings;
  /** TLS session ticket keys in base64, by the label of their address. */
  tickets(): Record<string, string>;
  /** Milliseconds in which the handover can be taken back. */
  window(): number;
  /** Words that a successor says after it accepts. */
  onMessage(message: ToPredecessor): void;
}

/** How long after its channel a successor may end and still count as ended. */
export const CHANNEL_TIME = 500;

/** How long a candidate that answers has to close the addresses nobody claimed, once its start time is up. */
export const SETTLE_TIME = 1_000;

/** How long a candidate that was told to go may take to accept while this process waits to stop. */
const GO_TIME = 5_000;

/** Why the attempt failed, as an error that also says how the successor ended. */
type Failure = (end: SuccessorEnd) => EndlessError;

/** One attempt to replace this process, from spawn to the moment at which the successor accepts. */
export class Attempt {
  readonly #context: AttemptContext;
  #successor: Successor | undefined;
  #claims: { labels: string[]; waiting: string[] } = { labels: [], waiting: [] };
  /** Whether the candidate was told to go: it may accept already, so it is given up only if it does not for long. */
  #told = false;
  #accepting = false;
  #over = false;
  #handed = 0;
  /** Labels of the addresses that the successor does not serve any more. */
  dropped: string[] = [];
  #resolve: (failure: Failure | undefined) => void = () => {};
  #overtime = () => {};

  constructor(context: AttemptContext) {
    this.#context = context;
  }

  /** Resolves with the successor when it accepts; rejects, with the successor gone, if it does not come to that. */
  async run(command: Command, listeningSockets: readonly ListeningSocket[]): Promise<Successor> {
    const { world, settings, generation } = this.#context;
    this.#handed = listeningSockets.length;
    const outcome = new Promise<Failure | undefined>((resolve) => {
      this.#resolve = resolve;
    });
    this.#overtime = decideAfter(world, settings.startTimeout, () => this.#startTimeIsUp());
    try {
      const successor = await Successor.start(
        world,
        generation + 1,
        listeningSockets,
        command,
        this.#context.surroundings,
        (message) => this.#hear(message),
      );
      this.#successor = successor;
      this.#context.onSpawned(successor);
      void successor.ended.then(() => this.#end(exited));
      // A candidate that lives and cannot be heard any more will never be ready.
      void successor.gone.then(() => decideAfter(world, CHANNEL_TIME, () => this.#end(unheard)));
      const failure = await outcome;
      if (!failure) return successor;
      successor.kill();
      throw failure(await successor.ended);
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

  /** Gives up on the candidate: it is killed and the attempt rejects with this error, unless it accepts in this moment. */
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
    this.#over = true;
    this.#resolve(failure);
  }

  #hear(message: ToPredecessor): void {
    const { log } = this.#context;
    const successor = this.#successor as Successor;
    if (this.#accepting) {
      this.#context.onMessage(message);
      return;
    }
    // It is as good as dead.
    if (this.#over) return;
    switch (message.type) {
      case 'hello':
        if (message.protocol !== PROTOCOL)
          this.#end(
            (end) =>
              new EndlessError(
                'ERR_ENDLESS_PROTOCOL',
                `The successor runs @endless/core ${message.version}, which speaks handoff protocol ${message.protocol}; this process speaks ${PROTOCOL}. Stop it and start it again once.`,
                end,
              ),
          );
        break;
      case 'claims':
        this.#claims = message;
        break;
      case 'ready':
        this.dropped = message.dropped;
        for (const address of message.dropped)
          log.warn(`${address} is not served by the new process any more: it closes.`);
        this.#go(successor);
        break;
      case 'unready':
        this.#end(
          (end) =>
            new EndlessError(
              'ERR_ENDLESS_UNHEALTHY',
              `The successor (pid ${successor.pid}) failed its \`healthCheck\`: ${message.message}.`,
              end,
            ),
        );
        break;
      case 'accepting':
        this.#accepting = true;
        this.#end();
        break;
    }
  }

  #go(successor: Successor): void {
    const { world, settings, whyNotGo, onReady, tickets, window } = this.#context;
    const refusal = whyNotGo();
    if (refusal) {
      this.#end(() => refusal);
      return;
    }
    onReady(successor);
    // A listener of that event may have stopped this process.
    if (this.#over) return;
    successor.send({ type: 'go', tickets: tickets(), window: window() });
    this.#told = true;
    this.#overtime();
    this.#overtime = decideAfter(world, settings.startTimeout, () => this.#end(this.#late()));
  }

  #startTimeIsUp(): void {
    const { world, settings } = this.#context;
    const { labels, waiting } = this.#claims;
    if (settings.ready === 'auto' && labels.length > 0 && waiting.length > 0) {
      this.#successor?.send({ type: 'settle' });
      this.#overtime = decideAfter(world, SETTLE_TIME, () => this.#end(this.#late()));
    } else this.#end(this.#late());
  }

  #late(): Failure {
    const { ready, startTimeout } = this.#context.settings;
    if (this.#told)
      return (end) =>
        new EndlessError(
          'ERR_ENDLESS_START_TIMEOUT',
          `The successor (pid ${end.pid}) was told to accept, and did not within \`startTimeout\` (${startTimeout} ms).`,
          end,
        );
    if (ready === 'auto' && this.#claims.labels.length === 0 && this.#handed > 0)
      return (end) =>
        new EndlessError(
          'ERR_ENDLESS_ADDRESS_UNCLAIMED',
          `The successor (pid ${end.pid}) listened on none of the inherited addresses within \`startTimeout\` (${startTimeout} ms). Listen on one of them, or call \`endless.ready()\` if that is meant.`,
          end,
        );
    return (end) =>
      new EndlessError(
        'ERR_ENDLESS_START_TIMEOUT',
        `The successor (pid ${end.pid}) was not ready within \`startTimeout\` (${startTimeout} ms).`,
        end,
      );
  }
}

const exited: Failure = (end) => {
  const how = end.signal ? `was ended by ${end.signal}` : `exited with status ${end.exitCode}`;
  return new EndlessError(
    'ERR_ENDLESS_SUCCESSOR_EXITED',
    `The successor (pid ${end.pid}) ${how} before it was ready.`,
    end,
  );
};

const unheard: Failure = (end) =>
  new EndlessError(
    'ERR_ENDLESS_SUCCESSOR_EXITED',
    `The successor (pid ${end.pid}) closed its channel before it was ready.`,
    end,
  );
