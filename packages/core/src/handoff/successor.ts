import type { ChildProcess, StdioOptions } from 'node:child_process';
import path from 'node:path';
import { isatty } from 'node:tty';
import { decideAfter } from '../decide.js';
import { EndlessError, messageOf, type SuccessorEnd } from '../errors.js';
import type { RawHandle } from '../node-private/handle.js';
import type { RestartCommand } from '../settings.js';
import type { World } from '../world.js';
import { Channel } from './channel.js';
import { type Command, commandOf } from './command.js';
import { preloadFile } from './preload-file.js';
import {
  HANDOFF_VARIABLE,
  type HandedSocket,
  type Handoff,
  PROTOCOL,
  type ToPredecessor,
  type ToSuccessor,
} from './protocol.js';
import { isToPredecessor } from './shapes.js';

/** The line to the service manager in the successor: 0 to 2 are its stdio, 3 is the channel. */
const NOTIFY_FD = 4;

/** How much of a candidate's stderr is kept. */
const STDERR_TAIL = 8 * 1024;
/** How long the rest of a dead successor's words may take to arrive. */
const LAST_WORDS = 500;

/** A listening socket that is handed over: what the successor is told of it, and our handle. */
export interface ListeningSocket extends HandedSocket {
  handle: RawHandle;
}

/** What a successor keeps of the surroundings in which the first process was started. */
export type Surroundings = Pick<Handoff, 'notify' | 'pidFile' | 'foreground'>;

/** The new process as the old one sees it. */
export class Successor {
  readonly pid: number;
  readonly generation: number;
  /** Resolves when it is gone, for whatever reason. */
  readonly ended: Promise<SuccessorEnd>;
  readonly #child: ChildProcess;
  readonly #channel: Channel<ToPredecessor, ToSuccessor>;
  #protocols: readonly string[] = [];
  #adopts = false;
  /** Which process reads the channel: the successor may have handed it on. */
  #reader: number;
  /** What is said once the channel is read again; undefined while it is. */
  #waiting: ToSuccessor[] | undefined;
  #resumed: () => void = () => {};
  #keeps: readonly string[] = [];
  readonly #listenerCopies = new Map<string, RawHandle>();
  #stderr = '';
  #gone = false;

  private constructor(
    world: World,
    child: ChildProcess,
    generation: number,
    listeningSockets: readonly ListeningSocket[],
    listener: (message: ToPredecessor) => void,
  ) {
    this.#child = child;
    this.pid = child.pid as number;
    this.#reader = this.pid;
    this.generation = generation;
    this.#channel = new Channel(
      world,
      `generation ${generation}, pid ${this.pid}`,
      world.ipc.of(child),
      isToPredecessor,
      (message, handle) => {
        if (message.type === 'listener-copy' && handle) this.#listenerCopies.set(message.address, handle);
        else handle?.close();
        if (message.type === 'stderr') this.#stderr = (this.#stderr + message.text).slice(-STDERR_TAIL);
        else if (message.type === 'protocols') this.#protocols = message.names;
        else if (message.type === 'adopts') this.#adopts = true;
        else if (message.type === 'keeps') this.#keeps = message.addresses;
        else listener(message);
        if (message.type === 'hello' && message.protocol === PROTOCOL) this.#giveSockets(listeningSockets);
      },
    );
    this.ended = new Promise((resolve) => {
      child.once('exit', (exitCode, signal) => {
        this.#gone = true;
        const release = world.stayAlive();
        const report = () => {
          release();
          if (!this.#handsOn) this.#channel.close();
          this.closeListenerCopies();
          resolve({ pid: this.pid, exitCode, signal, stderr: this.#stderr });
        };
        const cancel = decideAfter(world, LAST_WORDS, report);
        void this.#channel.closed.then(() => {
          cancel();
          report();
        });
      });
    });
  }

  /** Starts a successor, and gives it the sockets once it says hello; rejects with `ERR_ENDLESS_SPAWN_FAILED` if it cannot be started. */
  static async start(
    world: World,
    generation: number,
    listeningSockets: readonly ListeningSocket[],
    { command, args, cwd, env, replaced }: Command,
    { notify, pidFile, ...surroundings }: Surroundings,
    listener: (message: ToPredecessor) => void,
  ): Promise<Successor> {
    const handoff: Handoff = {
      protocol: PROTOCOL,
      pid: world.pid,
      generation,
      sockets: listeningSockets.map(({ handle, ...socket }) => socket),
      ...(notify !== undefined && { notify: NOTIFY_FD }),
      ...(pidFile !== undefined && { pidFile: NOTIFY_FD + (notify === undefined ? 0 : 1) }),
      ...surroundings,
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
      const child = world.spawn(command, args, {
        stdio,
        cwd,
        env: { ...env, [HANDOFF_VARIABLE]: text },
      });
      // Without a pid nothing was started; Node tells why in a moment.
      if (child.pid === undefined) throw await new Promise((resolve) => child.once('error', resolve));
      // A kill that comes too late is no matter.
      child.on('error', () => {});
      const successor = new Successor(world, child, generation, listeningSockets, listener);
      if (Object.keys(replaced).length > 0) successor.send({ type: 'environment', replaced });
      return successor;
    } catch (cause) {
      const hint =
        (cause as NodeJS.ErrnoException).code === 'E2BIG'
          ? `Its arguments and environment are longer than the system allows; the addresses of ${listeningSockets.length} listening sockets take ${text.length} bytes of the environment, and Linux allows 131072 for one variable.`
          : 'Check `restart.command` and `restart.cwd`.';
      throw new EndlessError(
        'ERR_ENDLESS_SPAWN_FAILED',
        `Could not start the successor with \`${[command, ...args].join(' ')}\`: ${messageOf(cause)}. ${hint}`,
        { cause },
      );
    }
  }

  /** What a process holds before it has said that it takes the handoff, it might hold for ever. */
  #giveSockets(listeningSockets: readonly ListeningSocket[]): void {
    for (const [index, { handle }] of listeningSockets.entries())
      this.send({ type: 'socket', index }, handle.fd < 0 ? undefined : handle);
  }

  /** The end of what it wrote to stderr before it was ready. */
  get stderr(): string {
    return this.#stderr;
  }

  /** The copy that it has sent of our listening socket at an address; whoever takes it closes it. */
  takeListenerCopy(address: string): RawHandle | undefined {
    const spare = this.#listenerCopies.get(address);
    this.#listenerCopies.delete(address);
    return spare;
  }

  /** Closes the copies that nobody has taken: whoever connected to such a socket would wait in its queue for ever. */
  closeListenerCopies(): void {
    for (const spare of this.#listenerCopies.values()) spare.close();
    this.#listenerCopies.clear();
  }

  /** Says a word to it, with a handle if there is one; one without waits while the channel is paused. */
  send(message: ToSuccessor, handle?: RawHandle): void {
    if (this.#waiting && this.#channel.open) this.#waiting.push(message);
    else this.#channel.send(message, handle);
  }

  /** The last word until {@link resume}: the successor wants to hand the channel on. */
  pause(): void {
    this.send({ type: 'paused' });
    this.#waiting ??= [];
  }

  /** The process with this pid reads now. */
  resume(pid: number): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    if (pid !== this.#reader) this.#adopts = false;
    this.#reader = pid;
    for (const message of waiting) this.send(message);
    this.#resumed();
  }

  /** The process that reads the channel: the successor, or the one to which it was handed on. */
  get reader(): number {
    return this.#reader;
  }

  /** Whether nobody reads the channel for the moment, so that no handle may be sent. */
  get paused(): boolean {
    return this.#waiting !== undefined;
  }

  /** Resolves when nothing waits to be said, or nobody is there to be told. */
  async said(): Promise<void> {
    if (!this.#waiting) return;
    const resumed = new Promise<void>((resolve) => {
      this.#resumed = resolve;
    });
    await Promise.race([resumed, this.gone]);
  }

  /** Whether it takes the channels of older processes now. */
  get adopts(): boolean {
    return this.#adopts && this.#channel.open && !this.paused;
  }

  /** Whether the channel is in other hands than the successor's, or may be: then its exit is not the end of it. */
  get #handsOn(): boolean {
    return this.#waiting !== undefined || this.#reader !== this.pid;
  }

  /** Whether it serves sockets of this protocol. */
  understands(name: string): boolean {
    return this.#protocols.includes(name);
  }

  /** Whether it wants no live connections of this address. */
  keeps(address: string): boolean {
    return this.#keeps.includes(address);
  }

  /** Asks it to stop gracefully within so many milliseconds (-1: no limit), by a signal where it does not hear. */
  retire(deadline: number): void {
    if (this.#channel.open) this.send({ type: 'retire', deadline });
    else if (!this.#gone) this.#child.kill('SIGTERM');
  }

  /** Ends it at once. */
  kill(): void {
    if (!this.#gone) this.#child.kill('SIGKILL');
  }

  /** Resolves when nobody is there any more to hear a word. */
  get gone(): Promise<void> {
    return this.#channel.closed;
  }

  /** Whether this process waits for it. */
  hold(alive: boolean): void {
    this.#channel.hold(alive);
  }

  /** Lets this process leave although the successor lives on. */
  release(): void {
    this.#child.unref();
  }

  /** Closes the channel: to the successor, this process is gone. */
  close(): void {
    this.#channel.close();
  }
}

/** What starts a successor, with the preload in front where that can run. */
export function successorCommand(restart: RestartCommand): Command {
  const command = commandOf(restart);
  const isNode = /^node(js)?(\.exe)?$/.test(path.basename(command.command));
  const preload = isNode ? preloadFile() : undefined;
  return preload === undefined ? command : { ...command, args: ['--require', preload, ...command.args] };
}
