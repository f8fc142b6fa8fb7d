import { EndlessError } from '../errors.js';
import { Channel } from '../handoff/channel.js';
import { SUPERVISOR_VARIABLE } from '../handoff/protocol.js';
import { runPreload } from '../handoff/run-preload.js';
import type { Spawned } from '../handoff/spawn.js';
import { type RawHandle, rawHandle } from '../node-private/handle.js';
import type { TakenIpc } from '../node-private/ipc.js';
import type { World } from '../world.js';
import { HeldSockets } from './held-sockets.js';
import { LoopUse } from './loop-use.js';
import {
  type CommandChange,
  type FromSupervisor,
  isFromSupervisor,
  type PinnedSettings,
  RUN_PROTOCOL,
  type ToSupervisor,
  type WorkerCounts,
  type WorkerStart,
  workerStartOf,
} from './messages.js';

/** What the preload leaves in a worker of `endless run`. */
interface Supervision {
  /** The {@link WorkerStart}. */
  text: string;
  ipc: TakenIpc;
  /** Makes an IPC channel of a descriptor. */
  open(fd: number): TakenIpc;
}

const SUPERVISION = Symbol.for('endless.supervision');

type Exited = Awaited<Spawned['exited']>;

/** The process that took over from this worker in a restart of all. */
type Restarted = Pick<FromSupervisor & { type: 'restarted' }, 'pid' | 'generation' | 'durationMs'>;

/** The connection of a worker to the `endless run` that has started it. */
export class RunSupervisor {
  /** The stable number of this worker. */
  readonly index: number;
  /** The generation of this worker, unless its predecessor gives it one. */
  readonly generation: number;
  /** Settings that stay, whatever the program configures. */
  readonly settings: PinnedSettings;
  /** Whether lines of level info are dropped where the program has no logger of its own. */
  readonly quiet: boolean;
  /** The listening sockets that the supervisor holds, until servers of this process ask for them. */
  readonly sockets: HeldSockets;
  /** Resolves when the supervisor is gone. */
  readonly closed: Promise<void>;
  /** Whether the supervisor is gone. */
  gone = false;
  /** The supervisor wants this worker to be replaced. */
  onRestart: () => void = () => {};
  /** The supervisor wants another restart than the one under way. */
  onCancel: () => void = () => {};
  /** The supervisor wants the sockets that it has not got yet. Call `done` after that. */
  onCopy: (done: () => void) => void = (done) => done();
  /** The secret of the TLS session tickets has come. */
  onTickets: (secret: Buffer) => void = () => {};
  /** What this worker holds now. */
  counts: () => Omit<WorkerCounts, 'loop'> = () => ({ connections: 0, upgraded: 0, requests: 0 });
  readonly #loop: LoopUse;
  readonly #world: World;
  readonly #supervision: Supervision;
  readonly #channel: Channel<FromSupervisor, ToSupervisor>;
  readonly #spawns = new Map<number, (reply: Spawned | EndlessError) => void>();
  readonly #restarts = new Map<number, (reply: Restarted | EndlessError) => void>();
  readonly #searches = new Map<number, (reply: number | EndlessError) => void>();
  readonly #exits = new Map<number, (end: Exited) => void>();
  #lastId = 0;

  private constructor(world: World, supervision: Supervision, start: WorkerStart, version: string) {
    this.#world = world;
    this.#supervision = supervision;
    this.index = start.index;
    this.generation = start.generation;
    this.settings = start.settings ?? {};
    this.quiet = start.quiet === true;
    this.sockets = new HeldSockets(world);
    this.#loop = new LoopUse(world);
    for (const { fd, asked, bound } of start.sockets)
      this.sockets.add({ asked, bound, handle: rawHandle(fd), activated: true });
    this.sockets.search = () => this.#ask(this.#searches, (id) => ({ type: 'search', id }));
    const end = world.ipc.opened(supervision.ipc);
    this.#channel = new Channel(world, 'the supervisor', end, isFromSupervisor, (message, handle) =>
      this.#hear(message, handle),
    );
    this.#channel.onHandle = () => this.send({ cmd: 'NODE_HANDLE_ACK' });
    this.closed = this.#channel.closed;
    void this.closed.then(() => this.#gone());
    const inspector = world.inspector();
    this.send({ type: 'hello', protocol: RUN_PROTOCOL, version, ...(inspector && { inspector }) });
  }

  /** The `endless run` that has started this process, if one has. */
  static find(world: World, version: string): RunSupervisor | undefined {
    if (world.env[SUPERVISOR_VARIABLE] !== undefined) runPreload();
    const supervision = Reflect.get(world.globals, SUPERVISION) as Supervision | undefined;
    if (!supervision) return undefined;
    Reflect.deleteProperty(world.globals, SUPERVISION);
    const start = workerStartOf(supervision.text);
    if (typeof start !== 'string') return new RunSupervisor(world, supervision, start, version);
    world.writeError(`endless: this worker cannot start below this \`endless run\`: ${start}.\n`);
    world.exit(1);
    return undefined;
  }

  /** Sends the supervisor a message, with a handle if there is one. */
  send(message: ToSupervisor, handle?: RawHandle): void {
    this.#channel.send(message, handle);
  }

  /** Asks for a successor with this handoff; rejects with `ERR_ENDLESS_SPAWN_FAILED`. */
  async spawn(handoff: string, restart: CommandChange): Promise<Spawned> {
    return this.#ask(this.#spawns, (id) => ({ type: 'spawn', id, handoff, restart }));
  }

  /** Asks for a restart of all workers; resolves when it is committed, and rejects if it fails. */
  async restartAll(): Promise<Restarted> {
    return this.#ask(this.#restarts, (id) => ({ type: 'restart-all', id }));
  }

  async #ask<Reply>(
    waiting: Map<number, (reply: Reply | EndlessError) => void>,
    question: (id: number) => ToSupervisor,
  ): Promise<Reply> {
    if (!this.#channel.open) throw supervisorGone();
    this.#lastId += 1;
    const id = this.#lastId;
    const reply = await new Promise<Reply | EndlessError>((resolve) => {
      waiting.set(id, resolve);
      this.send(question(id));
    });
    waiting.delete(id);
    if (reply instanceof EndlessError) throw reply;
    return reply;
  }

  #hear(message: FromSupervisor, handle: RawHandle | undefined): void {
    switch (message.type) {
      case 'restart':
        this.onRestart();
        break;
      case 'cancel':
        this.onCancel();
        break;
      case 'tickets':
        this.onTickets(Buffer.from(message.secret.base64, 'base64'));
        break;
      case 'ping':
        this.#loop.sample();
        this.send({ type: 'pong', rss: this.#world.rss(), inspected: this.#world.inspector() !== undefined });
        break;
      case 'count':
        this.send({ type: 'counts', ...this.counts(), loop: this.#loop.busy });
        break;
      case 'socket': {
        const { asked, bound } = message;
        if (handle) this.sockets.add({ asked, bound, handle, activated: true });
        return;
      }
      case 'drop':
        this.sockets.drop(message.bound);
        break;
      case 'copy':
        this.onCopy(() => this.send({ type: 'copied', id: message.id }));
        break;
      case 'searched':
        this.#searches.get(message.id)?.(message.others);
        break;
      case 'spawned':
        this.#spawns.get(message.id)?.(this.#spawned(message.pid, handle));
        return;
      case 'not-spawned':
        this.#spawns.get(message.id)?.(
          new EndlessError(
            'ERR_ENDLESS_SPAWN_FAILED',
            `The supervisor could not start the successor: ${message.message}.`,
          ),
        );
        break;
      case 'exited': {
        const { pid, exitCode, signal } = message;
        this.#exits.get(pid)?.({ exitCode, signal: signal as NodeJS.Signals | null });
        this.#exits.delete(pid);
        break;
      }
      case 'restarted': {
        const { id, pid, generation, durationMs } = message;
        this.#restarts.get(id)?.({ pid, generation, durationMs });
        break;
      }
      case 'restart-failed':
        this.#restarts.get(message.id)?.(new EndlessError('ERR_ENDLESS_SUPERVISED', message.message));
    }
    handle?.close();
  }

  /** A process that the supervisor has started for this one. */
  #spawned(pid: number, received: RawHandle | undefined): Spawned | EndlessError {
    const { ipc } = this.#world;
    const end = received && ipc.reopened(received, this.#supervision.open);
    if (!end) {
      // It would wait for this process.
      this.send({ type: 'kill', pid, signal: 'SIGKILL' });
      return new EndlessError(
        'ERR_ENDLESS_SPAWN_FAILED',
        `The line to the successor (pid ${pid}) did not arrive: this process has no free descriptor.`,
      );
    }
    return {
      pid,
      end,
      exited: new Promise((resolve) => this.#exits.set(pid, resolve)),
      kill: (signal) => {
        if (this.#exits.has(pid)) this.send({ type: 'kill', pid, signal });
      },
      // It is no child of this process.
      release() {},
    };
  }

  /** The supervisor is gone: no reply comes any more. */
  #gone(): void {
    this.gone = true;
    for (const waiting of [this.#spawns, this.#restarts, this.#searches])
      for (const reply of waiting.values()) reply(supervisorGone());
    for (const exit of this.#exits.values()) exit({ exitCode: null, signal: null });
    this.#exits.clear();
  }
}

function supervisorGone(): EndlessError {
  return new EndlessError('ERR_ENDLESS_SUPERVISED', 'The supervisor is gone: this worker stops.');
}
