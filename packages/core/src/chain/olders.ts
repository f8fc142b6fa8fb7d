import { Channel } from '../handoff/channel.js';
import type { Predecessor } from '../handoff/predecessor.js';
import type { OlderProcess, ToPredecessor, ToSuccessor } from '../handoff/protocol.js';
import { isToSuccessor } from '../handoff/shapes.js';
import type { Successor } from '../handoff/successor.js';
import type { RawHandle } from '../node-private/handle.js';
import type { World } from '../world.js';
import { HandOn } from './hand-on.js';
import { Older, type OlderContext } from './older.js';

/** How often this process looks whether it can hand its channels on. */
const LOOK_EVERY = 50;

/** What the older processes need of this one. */
export interface OldersContext extends OlderContext {
  world: World;
  /** The successor that can take an older process's channel now, while this process holds nothing itself. */
  adopter(): Successor | undefined;
  /** Whether this process can still take the channel of an older process. */
  adopts(): boolean;
  /** Whether this process drains requests, so that it counts as a draining generation. */
  busy(): boolean;
  /** The successor has the channel of the older process of this generation. */
  onHandedOn(generation: number, pid: number): void;
}

/** The older processes that still run. Each has its channel to this process, or to one in between. */
export class Olders {
  readonly #context: OldersContext;
  readonly #all = new Map<Older, HandOn>();
  /** The pid of the newest process. */
  #newest: number;
  /** How many generations may drain: this one and older ones. */
  #mayDrain: number | undefined;
  /** The deadline and the `idleGrace` of the newest process, once it stops. */
  #stop: { at: number; idleGrace: number } | undefined;
  #stopLooking: (() => void) | undefined;
  #released = false;

  constructor(context: OldersContext) {
    this.#context = context;
    this.#newest = context.world.pid;
  }

  /** The pid of the newest process of the chain: this one, until a successor accepts. */
  get newest(): number {
    return this.#newest;
  }

  /** Adds the process that started this one. */
  add({ handoff, channel }: Predecessor): Older {
    const older = new Older(handoff.generation - 1, channel, false, this.#context);
    this.#add(older);
    return older;
  }

  /** From now on this older process may send connections. */
  expect(older: Older): void {
    if (older.channel.open) older.expect();
    this.#tellAbilities(older);
  }

  /** Whether the channel of an older process is on its way to the successor. */
  get handingOn(): boolean {
    return [...this.#all.values()].some(({ sent }) => sent);
  }

  /** Sends a message to each older process. */
  #send(message: ToPredecessor): void {
    for (const older of this.#all.keys()) older.send(message);
  }

  /** The process with this pid is the newest now, after a handover or a rollback here or further on. */
  tellNewest(pid: number): void {
    this.#newest = pid;
    this.#send({ type: 'newest', pid });
  }

  /** `left` generations may drain requests, this one included; older processes get what is left for them. */
  prune(left: number): void {
    this.#mayDrain = left;
    this.#send(this.#pruning(left));
  }

  #pruning(left: number): ToPredecessor {
    return { type: 'prune', left: this.#context.busy() ? left - 1 : left };
  }

  /** The newest process stops within `ms` milliseconds (-1: no limit), and each older process with it. */
  stop(ms: number, idleGrace: number): void {
    if (this.#released) return;
    const at = ms < 0 ? Number.POSITIVE_INFINITY : this.#context.world.now() + ms;
    this.#stop = { at: Math.min(at, this.#stop?.at ?? at), idleGrace };
    this.#send({ type: 'stop', deadline: ms, idleGrace });
  }

  /** The predecessor has rolled back: this process stops no older process any more, and takes no channel. */
  release(): void {
    this.#released = true;
  }

  /** Sends the names of the protocols whose sockets this process serves. */
  tellProtocols(): void {
    for (const { reception } of this.#all.keys()) reception.tellProtocols();
  }

  /** Resolves when the last older process is gone, or has its channel to another process. */
  async gone(): Promise<void> {
    // A process that is added meanwhile is added before the process that sent its channel is gone.
    for (const older of this.#all.keys()) await older.closed;
    this.#stopLooking?.();
  }

  /** Handles a message of an older process. */
  hear(older: Older, message: ToSuccessor, handle: RawHandle | undefined): void {
    switch (message.type) {
      case 'connection':
      case 'payload':
      case 'offer':
      case 'transfer':
      case 'socket-message':
        older.reception.hear(message, handle);
        break;
      case 'last':
        older.expectNoMore();
        break;
      case 'paused':
      case 'busy':
        this.#all.get(older)?.answered(message.type);
        break;
      case 'older':
        this.#adopt(older, message, handle);
        break;
      default:
        handle?.close();
    }
  }

  /** From now on hands each channel on to the successor, as soon as that can take it. */
  handOn(): void {
    this.#stopLooking ??= this.#context.world.every(LOOK_EVERY, () => {
      for (const handOn of this.#all.values()) handOn.look();
    });
  }

  /** The successor has the channel of the older process of this generation, or could not take it. */
  adopted(generation: number, done: boolean): void {
    for (const [older, handOn] of this.#all) if (older.generation === generation) handOn.adopted(done);
  }

  #adopt(from: Older, { generation, last, routes }: OlderProcess, handle: RawHandle | undefined): void {
    const { world, adopts } = this.#context;
    const mayAdopt = !this.#released && adopts();
    if (!mayAdopt) handle?.close();
    const end = handle && mayAdopt ? world.ipc.around(handle) : undefined;
    if (end) {
      // The first message arrives after `older` is set.
      let older: Older;
      const channel = new Channel<ToSuccessor, ToPredecessor>(
        world,
        `generation ${generation}`,
        end,
        isToSuccessor,
        (message, came) => this.hear(older, message, came),
      );
      older = new Older(generation, channel, !last, this.#context);
      older.reception.follow(routes, from.reception);
      this.#add(older);
      older.resume(world.pid);
      this.#tellAbilities(older);
      this.#introduce(older);
    }
    // A process without a free descriptor loses the handle on the way.
    from.send({ type: 'adopted', generation, done: end !== undefined });
  }

  #add(older: Older): void {
    const { world, adopter, onHandedOn } = this.#context;
    const onDone = (pid: number) => onHandedOn(older.generation, pid);
    this.#all.set(older, new HandOn({ world, older, adopter, onDone }));
    void older.closed.then(() => {
      this.#all.delete(older);
      older.expectNoMore();
    });
  }

  #introduce(older: Older): void {
    const { world } = this.#context;
    older.send({ type: 'newest', pid: this.#newest });
    if (!this.#stop) {
      if (this.#mayDrain !== undefined) older.send(this.#pruning(this.#mayDrain));
      return;
    }
    const { at, idleGrace } = this.#stop;
    const deadline = at === Number.POSITIVE_INFINITY ? -1 : Math.max(0, at - world.now());
    older.send({ type: 'stop', deadline, idleGrace });
  }

  #tellAbilities(older: Older): void {
    older.reception.tellProtocols();
    older.send({ type: 'adopts' });
  }
}
