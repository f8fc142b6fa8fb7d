import type { Events } from '../events.js';
import { ActivatedSockets } from '../handoff/activated.js';
import type { Surroundings as Kept } from '../handoff/spawn.js';
import type { Log } from '../log.js';
import { inForeground, Terminal } from '../signals/terminal.js';
import type { World } from '../world.js';
import { takeActivation } from './activation.js';
import { ancestorsOf } from './ancestors.js';
import { containerEndsWith } from './container.js';
import { underNodemon } from './nodemon.js';
import { refusalOf } from './notify-socket.js';
import { answerPm2, underPm2 } from './pm2.js';
import { type Watcher, watcherOf } from './watcher.js';

/** What the surroundings need of the process that they surround. */
export interface SurroundingsContext {
  world: World;
  events: Events;
  log: Log;
  /** Somebody who has started this process wants it to stop. */
  onStop(): void;
  /** The terminal of this process has gone away, and no signal has said so. */
  onTerminalGone(): void;
}

/** Who has started this process and what waits for it: the terminal, the container, the service manager, PM2, nodemon. */
export class Surroundings {
  readonly #context: SurroundingsContext;
  /** The terminal of the process. */
  readonly terminal: Terminal;
  #kept: Kept = {};
  #endsContainer: string | undefined;
  #activated: ActivatedSockets | undefined;
  #pm2 = false;
  #nodemon = false;
  #watcher: Watcher | undefined;
  /** Whether what keeps a channel to this process exits with it. */
  #wrapped = false;

  constructor(context: SurroundingsContext) {
    this.#context = context;
    this.terminal = new Terminal(context.world);
  }

  /** The first process looks around: whoever waits, waits for the process that it has started. */
  look(): void {
    const { world, events, log, onStop } = this.#context;
    this.#endsContainer = containerEndsWith(world);
    this.#nodemon = underNodemon(world);
    this.#pm2 = underPm2(world);
    if (this.#pm2) answerPm2(world, events, onStop);
    const activation = takeActivation(world);
    const canNotify = activation?.notify !== undefined || world.env.NOTIFY_SOCKET !== undefined;
    const above = ancestorsOf(world);
    this.#wrapped = above[0]?.wraps ?? false;
    this.#watcher = watcherOf(world, above, canNotify);
    this.terminal.watch();
    this.#kept = {
      foreground: inForeground(),
      ...(activation?.notify !== undefined && { notify: activation.notify }),
    };
    if (!activation) return;
    this.#activated = new ActivatedSockets(activation.sockets);
    for (const reason of activation.refused) log.warn(`Refused an inherited socket: ${reason}`);
  }

  /** A successor is told what the first process has seen. */
  keep({ notify, foreground = false }: Kept): void {
    const { log, onTerminalGone } = this.#context;
    const refusal = notify === undefined ? undefined : refusalOf(notify);
    if (refusal !== undefined) log.warn(`Refused an inherited socket: ${refusal}`);
    this.#kept = { foreground, ...(refusal === undefined && notify !== undefined && { notify }) };
    // Its terminal belongs to the shell once the first process has exited, which signals its end to that process alone.
    this.terminal.watch(foreground ? onTerminalGone : undefined);
  }

  /** What a successor is told. */
  get kept(): Kept {
    return this.#kept;
  }

  /** Sockets that the service manager has opened for this process. */
  get activated(): ActivatedSockets | undefined {
    return this.#activated;
  }

  /** Why the exit of this process would end its container, if it would. */
  get endsContainer(): string | undefined {
    return this.#endsContainer;
  }

  get pm2(): boolean {
    return this.#pm2;
  }

  get nodemon(): boolean {
    return this.#nodemon;
  }

  /** What watches this process and would not know its successor. */
  get watcher(): Watcher | undefined {
    return this.#nodemon ? { name: 'nodemon', followsPidFile: () => false } : this.#watcher;
  }

  /** Whether the process that started this one keeps a channel to it, and does more than wait for its exit. */
  get forked(): boolean {
    return this.#context.world.parent.connected() && !this.#wrapped;
  }
}
