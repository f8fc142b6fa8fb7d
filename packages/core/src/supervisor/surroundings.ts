import type { Server } from 'node:net';
import type { Events } from '../events.js';
import { ActivatedSockets } from '../handoff/activated.js';
import type { Surroundings as Kept } from '../handoff/handoff-text.js';
import type { Asked } from '../listen/address.js';
import type { Log } from '../log.js';
import { inForeground, Terminal } from '../signals/terminal.js';
import type { RunSupervisor } from '../supervised/run-supervisor.js';
import type { World } from '../world.js';
import { takeActivation } from './activation.js';
import { ancestorsOf } from './ancestors.js';
import { containerEndsWith } from './container.js';
import { underNodemon } from './nodemon.js';
import { refusalOf } from './notify-socket.js';
import { answerPm2, underPm2 } from './pm2.js';
import { type Watcher, watcherOf } from './watcher.js';

/** What {@link Surroundings} needs from the process. */
export interface SurroundingsContext {
  world: World;
  events: Events;
  log: Log;
  /** The `endless run` that has started this process, if one has. */
  supervisor: RunSupervisor | undefined;
  /** The program that started this process wants it to stop. */
  onStop(): void;
  /** The terminal of this process has gone away, without a signal. */
  onTerminalGone(): void;
}

/** Listening sockets that another process holds for this one, until servers ask for them. */
export interface SocketPool {
  /** Gives the server the socket of the address that it asks for, if there is one. */
  claim(server: Server, asked: Asked, ipv6Only: boolean): boolean;
}

/** What started this process or waits for it: terminal, container, service manager, PM2, nodemon. */
export class Surroundings {
  readonly #context: SurroundingsContext;
  readonly terminal: Terminal;
  #kept: Kept = {};
  #endsContainer: string | undefined;
  #activated: SocketPool | undefined;
  #pm2 = false;
  #nodemon = false;
  #watcher: Watcher | undefined;
  /** Whether the process with a channel to this one exits with it. */
  #wrapped = false;

  constructor(context: SurroundingsContext) {
    this.#context = context;
    this.terminal = new Terminal(context.world);
    this.#activated = context.supervisor?.sockets;
  }

  /** For the first process: finds what waits for it. A program waits only for the process that it started. */
  look(): void {
    const { world, events, log, supervisor, onStop } = this.#context;
    // It stays, whatever process waits for it.
    if (supervisor) return;
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

  /** For a successor: keeps what the first process has found. */
  keep({ notify, foreground = false }: Kept): void {
    const { log, onTerminalGone } = this.#context;
    const refusal = notify === undefined ? undefined : refusalOf(notify);
    if (refusal !== undefined) log.warn(`Refused an inherited socket: ${refusal}`);
    this.#kept = { foreground, ...(refusal === undefined && notify !== undefined && { notify }) };
    // Once the first process has exited, its terminal belongs to the shell. The shell signals a hangup only
    // to that first process.
    this.terminal.watch(foreground ? onTerminalGone : undefined);
  }

  /** What a successor gets. */
  get kept(): Kept {
    return this.#kept;
  }

  /** Sockets that the service manager, or `endless run`, has opened for this process. */
  get activated(): SocketPool | undefined {
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

  /** The program that watches this process and would not know its successor. */
  get watcher(): Watcher | undefined {
    return this.#nodemon ? { name: 'nodemon', followsPidFile: () => false } : this.#watcher;
  }

  /** Whether the process that started this one keeps a channel to it, and not only waits for its exit. */
  get forked(): boolean {
    return this.#context.world.parent.connected() && !this.#wrapped;
  }
}
