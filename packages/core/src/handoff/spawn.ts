import type { ChildProcess, StdioOptions } from 'node:child_process';
import path from 'node:path';
import { isatty } from 'node:tty';
import { EndlessError, messageOf } from '../errors.js';
import type { IpcEnd } from '../node-private/ipc.js';
import type { RestartCommand } from '../settings.js';
import type { World } from '../world.js';
import { type Command, commandOf } from './command.js';
import { preloadFile } from './preload-file.js';
import { HANDOFF_VARIABLE, type HandedSocket, type Handoff, PROTOCOL } from './protocol.js';

/** What a successor keeps of the surroundings in which the first process was started. */
export type Surroundings = Pick<Handoff, 'notify' | 'pidFile' | 'foreground'>;

/** What a process is started as. */
export interface SpawnRequest {
  command: Command;
  /** The generation of the new process. */
  generation: number;
  /** The listening sockets that will go to it over the channel. */
  sockets: readonly HandedSocket[];
  surroundings: Surroundings;
}

/** Starts successors; a second kind, by another process than this one, is one more implementation. */
export interface Spawner {
  /**
   * Starts the command, with the handoff in its environment and a channel to this process; it gets no socket here.
   * Rejects with `ERR_ENDLESS_SPAWN_FAILED` where no process was started.
   */
  start(request: SpawnRequest): Promise<Spawned>;
}

/** A process that a {@link Spawner} has started. */
export interface Spawned {
  readonly pid: number;
  /** This process's end of the channel; it is read by one reader, from the same turn on. */
  readonly end: IpcEnd;
  /** Resolves once the process has exited, with its status or the signal that ended it. */
  readonly exited: Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>;
  /** Sends it a signal; does nothing once it has exited. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Lets this process exit while the new one lives on. */
  release(): void;
}

/** The line to the service manager in the successor: 0 to 2 are its stdio, 3 is the channel. */
const NOTIFY_FD = 4;

/** Starts a successor as a child of this process. */
export class ChildSpawner implements Spawner {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async start({ command: asked, generation, sockets, surroundings }: SpawnRequest): Promise<Spawned> {
    const { command, args, cwd, env } = asked;
    const { notify, pidFile, ...others } = surroundings;
    const handoff: Handoff = {
      protocol: PROTOCOL,
      pid: this.#world.pid,
      generation,
      sockets: [...sockets],
      ...(notify !== undefined && { notify: NOTIFY_FD }),
      ...(pidFile !== undefined && { pidFile: NOTIFY_FD + (notify === undefined ? 0 : 1) }),
      ...others,
    };
    const text = JSON.stringify(handoff);
    const stdio: StdioOptions = [
      // The keys of a terminal are the shell's once the old process has left: a successor would take them from it.
      isatty(0) ? 'ignore' : 'inherit',
      'inherit',
      'inherit',
      'ipc',
      ...[notify, pidFile].filter((fd) => fd !== undefined),
    ];
    try {
      const child = this.#world.spawn(command, args, {
        stdio,
        cwd,
        env: { ...env, [HANDOFF_VARIABLE]: text },
      });
      // Without a pid nothing was started; Node tells why in a moment.
      if (child.pid === undefined) throw await new Promise((resolve) => child.once('error', resolve));
      return spawned(this.#world, child, child.pid);
    } catch (cause) {
      const hint =
        (cause as NodeJS.ErrnoException).code === 'E2BIG'
          ? `Its arguments and environment are longer than the system allows; the addresses of ${sockets.length} listening sockets take ${text.length} bytes of the environment, and Linux allows 131072 for one variable.`
          : 'Check `restart.command` and `restart.cwd`.';
      throw new EndlessError(
        'ERR_ENDLESS_SPAWN_FAILED',
        `Could not start the successor with \`${[command, ...args].join(' ')}\`: ${messageOf(cause)}. ${hint}`,
        { cause },
      );
    }
  }
}

function spawned(world: World, child: ChildProcess, pid: number): Spawned {
  // A kill that comes too late is no matter.
  child.on('error', () => {});
  let gone = false;
  return {
    pid,
    end: world.ipc.of(child),
    exited: new Promise((resolve) => {
      child.once('exit', (exitCode, signal) => {
        gone = true;
        resolve({ exitCode, signal });
      });
    }),
    kill(signal) {
      if (!gone) child.kill(signal);
    },
    release: () => child.unref(),
  };
}

/** What starts a successor, with the preload in front where that can run. */
export function successorCommand(restart: RestartCommand): Command {
  const command = commandOf(restart);
  const isNode = /^node(js)?(\.exe)?$/.test(path.basename(command.command));
  const preload = isNode ? preloadFile() : undefined;
  return preload === undefined ? command : { ...command, args: ['--require', preload, ...command.args] };
}
