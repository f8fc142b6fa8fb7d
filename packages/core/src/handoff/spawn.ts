import type { ChildProcess, StdioOptions } from 'node:child_process';
import path from 'node:path';
import { isatty } from 'node:tty';
import { EndlessError, messageOf } from '../errors.js';
import type { IpcEnd } from '../node-private/ipc.js';
import type { RestartCommand } from '../settings.js';
import type { World } from '../world.js';
import { type Command, commandOf } from './command.js';
import { type HandoffRequest, handoffText } from './handoff-text.js';
import { preloadFile } from './preload-file.js';
import { HANDOFF_VARIABLE } from './protocol.js';

/** A request to start a process. */
export interface SpawnRequest extends HandoffRequest {
  command: Command;
}

/** Starts successors. Another implementation can let another process than this one start them. */
export interface Spawner {
  /**
   * Starts the command with the handoff in its environment and a channel to this process, without sockets.
   * Rejects with `ERR_ENDLESS_SPAWN_FAILED` if no process was started.
   */
  start(request: SpawnRequest): Promise<Spawned>;
}

/** A process that a {@link Spawner} has started. */
export interface Spawned {
  readonly pid: number;
  /** This process's end of the channel. One reader reads it, from the same turn on. */
  readonly end: IpcEnd;
  /** Resolves once the process has exited, with its status or the signal that killed it. */
  readonly exited: Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>;
  /** Sends it a signal; does nothing once it has exited. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Lets this process exit while the new one runs. */
  release(): void;
}

/** The first descriptor of the surroundings in the successor: 0 to 2 are its stdio, 3 is the channel. */
const FIRST_FD = 4;

/** Starts a successor as a child of this process. */
export class ChildSpawner implements Spawner {
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  async start(request: SpawnRequest): Promise<Spawned> {
    const { command, args, cwd, env } = request.command;
    const { text, fds } = handoffText(this.#world, request, FIRST_FD);
    const stdio: StdioOptions = [
      // Terminal input belongs to the shell once the old process has exited: a successor would take it away.
      isatty(0) ? 'ignore' : 'inherit',
      'inherit',
      'inherit',
      'ipc',
      ...fds,
    ];
    try {
      const child = this.#world.spawn(command, args, {
        stdio,
        cwd,
        env: { ...env, [HANDOFF_VARIABLE]: text },
      });
      // Without a pid no process was started; Node emits the reason soon after.
      if (child.pid === undefined) throw await new Promise((resolve) => child.once('error', resolve));
      return spawned(this.#world, child, child.pid);
    } catch (cause) {
      const hint =
        (cause as NodeJS.ErrnoException).code === 'E2BIG'
          ? `Its arguments and environment are longer than the system allows; the addresses of ${request.sockets.length} listening sockets take ${text.length} bytes of the environment, and Linux allows 131072 for one variable.`
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
  // A kill that comes too late may fail: ignore that.
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

/** The command that starts a successor, with the preload in front if the preload can run. */
export function successorCommand(restart: RestartCommand): Command {
  const command = commandOf(restart);
  const isNode = /^node(js)?(\.exe)?$/.test(path.basename(command.command));
  const preload = isNode ? preloadFile() : undefined;
  return preload === undefined ? command : { ...command, args: ['--require', preload, ...command.args] };
}
