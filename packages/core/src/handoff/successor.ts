import { decideAfter } from '../decide.js';
import type { SuccessorEnd } from '../errors.js';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { Channel } from './channel.js';
import { Inbox } from './inbox.js';
import { ListenerCopies } from './listener-copies.js';
import { Outbox } from './outbox.js';
import { type HandedSocket, PROTOCOL, type ToPredecessor, type ToSuccessor } from './protocol.js';
import { isToPredecessor } from './shapes.js';
import type { Spawned, Spawner, SpawnRequest } from './spawn.js';

/** How much of a candidate's stderr is kept. */
const STDERR_TAIL = 8 * 1024;
/** How long the last messages of an exited successor may take to arrive. */
const LAST_WORDS = 500;

/** A listening socket that is handed over: its entry in the handoff, and this process's handle. */
export interface ListeningSocket extends HandedSocket {
  handle: RawHandle;
}

/** The new process as the old one sees it. */
export class Successor {
  readonly pid: number;
  readonly generation: number;
  /** Resolves when it has exited, for any reason. */
  readonly ended: Promise<SuccessorEnd>;
  /** The messages for the phase of the restart; this class handles the others. */
  readonly inbox: Inbox<ToPredecessor>;
  /** The listener copies that it has sent back. */
  readonly listenerCopies = new ListenerCopies();
  readonly #spawned: Spawned;
  readonly #channel: Channel<ToPredecessor, ToSuccessor>;
  readonly #outbox: Outbox<ToSuccessor>;
  #protocols: readonly string[] = [];
  #adopts = false;
  /** Which process reads the channel: the successor may have handed it on. */
  #reader: number;
  #keeps: readonly string[] = [];
  #stderr = '';

  private constructor(
    world: World,
    spawned: Spawned,
    generation: number,
    listeningSockets: readonly ListeningSocket[],
  ) {
    this.#spawned = spawned;
    this.pid = spawned.pid;
    this.#reader = spawned.pid;
    this.generation = generation;
    const peer = `generation ${generation}, pid ${this.pid}`;
    this.inbox = new Inbox((type) =>
      world.debug.ignored(`${type} from ${peer}`, 'no part of the restart waits for it'),
    );
    this.#channel = new Channel(world, peer, spawned.end, isToPredecessor, (message, handle) => {
      if (message.type === 'listener-copy' && handle) this.listenerCopies.add(message.address, handle);
      else handle?.close();
      this.#receive(message, listeningSockets);
    });
    this.#outbox = new Outbox(this.#channel);
    this.ended = spawned.exited.then((end) => this.#end(world, end));
  }

  /** Starts a successor, and sends it the sockets after its `hello`; rejects like {@link Spawner.start}. */
  static async start(
    world: World,
    spawner: Spawner,
    request: Omit<SpawnRequest, 'sockets'>,
    listeningSockets: readonly ListeningSocket[],
  ): Promise<Successor> {
    const sockets = listeningSockets.map(({ handle, ...socket }) => socket);
    const spawned = await spawner.start({ ...request, sockets });
    const successor = new Successor(world, spawned, request.generation, listeningSockets);
    const { replaced } = request.command;
    if (Object.keys(replaced).length > 0) successor.send({ type: 'environment', replaced });
    return successor;
  }

  #receive(message: ToPredecessor, listeningSockets: readonly ListeningSocket[]): void {
    switch (message.type) {
      case 'listener-copy':
        break;
      case 'stderr':
        this.#stderr = (this.#stderr + message.text).slice(-STDERR_TAIL);
        break;
      case 'protocols':
        this.#protocols = message.names;
        break;
      case 'adopts':
        this.#adopts = true;
        break;
      case 'keeps':
        this.#keeps = message.addresses;
        break;
      default:
        this.inbox.receive(message);
    }
    // Not before `hello`: a process that does not take the handoff might hold sockets for ever.
    if (message.type === 'hello' && message.protocol === PROTOCOL)
      for (const [index, { handle }] of listeningSockets.entries())
        this.send({ type: 'socket', index }, handle.fd < 0 ? undefined : handle);
  }

  /** Waits for its last messages, which may still be on their way. */
  async #end(world: World, end: Awaited<Spawned['exited']>): Promise<SuccessorEnd> {
    const release = world.stayAlive();
    await new Promise<void>((resolve) => {
      const cancel = decideAfter(world, LAST_WORDS, resolve);
      void this.#channel.closed.then(() => {
        cancel();
        resolve();
      });
    });
    release();
    if (!this.#handsOn) this.#channel.close();
    this.listenerCopies.close();
    return { pid: this.pid, ...end, stderr: this.#stderr };
  }

  /** The end of what it wrote to stderr before it accepted. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Sends it a message, with a handle if there is one; without one it waits while the channel is paused. */
  send(message: ToSuccessor, handle?: RawHandle): void {
    this.#outbox.send(message, handle);
  }

  /** Sends the last message until {@link resume}: the successor wants to hand the channel on. */
  pause(): void {
    this.send({ type: 'paused' });
    this.#outbox.hold();
  }

  /** The process with this pid reads the channel from now on. */
  resume(pid: number): void {
    if (pid !== this.#reader) this.#adopts = false;
    this.#reader = pid;
    this.#outbox.flush();
  }

  /** The pid of the process that reads the channel: the successor, or one to which that handed it on. */
  get reader(): number {
    return this.#reader;
  }

  /** Whether no process reads the channel at the moment, so that no handle may be sent. */
  get paused(): boolean {
    return this.#outbox.held;
  }

  /** Resolves when no message waits to be sent, or no process is left to read it. */
  async said(): Promise<void> {
    await Promise.race([this.#outbox.flushed(), this.gone]);
  }

  /** Whether it takes the channels of older processes now. */
  get adopts(): boolean {
    return this.#adopts && this.#channel.open && !this.paused;
  }

  /** Whether another process reads the channel, or may: then it stays open when the successor exits. */
  get #handsOn(): boolean {
    return this.paused || this.#reader !== this.pid;
  }

  /** Whether it serves sockets of this protocol. */
  understands(name: string): boolean {
    return this.#protocols.includes(name);
  }

  /** Whether no live connection of this address may move to it. */
  keeps(address: string): boolean {
    return this.#keeps.includes(address);
  }

  /** Asks it to stop within `deadline` milliseconds (-1: no limit), by a signal if the channel is closed. */
  retire(deadline: number): void {
    if (this.#channel.open) this.send({ type: 'retire', deadline });
    else this.#spawned.kill('SIGTERM');
  }

  /** Kills it at once. */
  kill(): void {
    this.#spawned.kill('SIGKILL');
  }

  /** Resolves when the channel has closed: no process is left to read a message. */
  get gone(): Promise<void> {
    return this.#channel.closed;
  }

  /** Sets whether this process stays alive for it. */
  hold(alive: boolean): void {
    this.#channel.hold(alive);
  }

  /** Lets this process exit while the successor runs. */
  release(): void {
    this.#spawned.release();
  }

  /** Closes the channel: to the successor, this process is gone. */
  close(): void {
    this.#channel.close();
  }
}
