import type { RawHandle, RawPipe } from '../../src/node-private/handle.js';
import type { IpcEnd, OnRead } from '../../src/node-private/ipc.js';
import type { Clock } from './clock.js';

/** The process that holds a handle, as far as the kernel knows it. */
export interface Holder {
  readonly name: string;
  readonly alive: boolean;
  /** The handles that the kernel closes when it exits. */
  readonly handles: Set<SimHandle>;
}

/** A handle of a simulated process; a copy for another process refers to the same object in the kernel. */
export abstract class SimHandle implements RawHandle {
  readonly fd = 10;
  readonly holder: Holder;
  closed = false;

  constructor(holder: Holder) {
    this.holder = holder;
    holder.handles.add(this);
  }

  abstract copyFor(holder: Holder): SimHandle;
  protected abstract onClose(): void;

  close(callback?: () => void): void {
    if (!this.closed) {
      this.closed = true;
      this.holder.handles.delete(this);
      this.onClose();
    }
    if (callback) process.nextTick(callback);
  }

  listen(_backlog: number): number {
    return 0;
  }
  readStart(): number {
    return 0;
  }
  readStop(): number {
    return 0;
  }
  ref(): void {}
  unref(): void {}
}

/** A listening socket in the kernel: it exists as long as a process holds it. */
export class ListeningSocket {
  readonly port: number;
  readonly handles = new Set<ListeningHandle>();

  constructor(port: number) {
    this.port = port;
  }
}

/** A handle of a listening socket; it accepts from `listen` to `close`. */
export class ListeningHandle extends SimHandle {
  readonly socket: ListeningSocket;
  accepts = false;

  constructor(holder: Holder, socket: ListeningSocket) {
    super(holder);
    this.socket = socket;
    socket.handles.add(this);
  }

  override listen(_backlog: number): number {
    this.accepts = !this.closed;
    return 0;
  }

  getsockname(out: object): number {
    Object.assign(out, { address: '127.0.0.1', family: 'IPv4', port: this.socket.port });
    return 0;
  }

  override copyFor(holder: Holder): SimHandle {
    return new ListeningHandle(holder, this.socket);
  }

  protected override onClose(): void {
    this.accepts = false;
    this.socket.handles.delete(this);
  }
}

/** What a channel needs from the simulation. */
export interface ChannelContext {
  clock: Clock;
  /** How long a message takes; undefined: the message is lost, and the channel breaks. */
  latency(): number | undefined;
  onSent(from: string, to: string, message: object, handle: boolean): void;
}

/** One end of a channel in the kernel. */
class End {
  peer!: End;
  readonly handles = new Set<PipeHandle>();
  readonly inbox: { bytes: Buffer; handle: SimHandle | undefined }[] = [];
  /** The handle that reads, if one does. */
  reader: PipeHandle | undefined;
  /** Nothing follows what is in the inbox. */
  ended = false;
  #arrivesAt = 0;

  /** Delivers in the order of sending. */
  later(context: ChannelContext, latency: number, fn: () => void): void {
    const { clock } = context;
    this.#arrivesAt = Math.max(clock.now + latency, this.#arrivesAt);
    clock.in(this.#arrivesAt - clock.now, fn);
  }

  get holder(): Holder | undefined {
    return (this.reader ?? [...this.handles][0])?.holder;
  }

  pump(): void {
    while (this.reader?.onRead && this.inbox.length > 0) {
      const { bytes, handle } = this.inbox.shift() as (typeof this.inbox)[number];
      this.reader.onRead(bytes, handle?.closed ? undefined : handle?.copyFor(this.reader.holder));
      handle?.close();
    }
    if (this.ended && this.inbox.length === 0) this.reader?.onEnd?.();
  }
}

/** Holds the handles that are on their way: they belong to no process. */
const KERNEL: Holder = { name: 'kernel', alive: true, handles: new Set() };

/** A handle of one end of a channel. */
export class PipeHandle extends SimHandle {
  readonly #context: ChannelContext;
  readonly #end: End;
  pendingHandle = null;
  writeQueueSize = 0;
  onread = () => {};
  onRead: OnRead | undefined;
  onEnd: (() => void) | undefined;

  constructor(holder: Holder, end: End, context: ChannelContext) {
    super(holder);
    this.#end = end;
    this.#context = context;
    end.handles.add(this);
  }

  /** The end as core uses it. */
  get ipcEnd(): IpcEnd {
    return {
      pipe: this as unknown as RawPipe,
      send: (message, handle) => this.#send(message as object, handle as SimHandle | undefined),
      read: (onRead, onEnd) => {
        this.onRead = onRead;
        this.onEnd = () => {
          this.onEnd = undefined;
          this.close();
          onEnd();
        };
        this.readStart();
        return () => this.onEnd?.();
      },
    };
  }

  override readStart(): number {
    if (this.closed) return 0;
    this.#end.reader = this;
    // Not within the call: nothing is ever read before the reader is made.
    this.#context.clock.in(0, () => this.#end.pump());
    return 0;
  }

  override readStop(): number {
    if (this.#end.reader === this) this.#end.reader = undefined;
    return 0;
  }

  override copyFor(holder: Holder): SimHandle {
    return new PipeHandle(holder, this.#end, this.#context);
  }

  #send(message: object, handle: SimHandle | undefined): void {
    const { peer } = this.#end;
    if (this.closed || !this.holder.alive) return;
    this.#context.onSent(this.holder.name, peer.holder?.name ?? 'nobody', message, handle !== undefined);
    const line = handle ? { cmd: 'NODE_HANDLE', type: 'net.Native', msg: message } : message;
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    const onTheWay = handle?.copyFor(KERNEL);
    const latency = this.#context.latency();
    if (latency === undefined) {
      onTheWay?.close();
      this.cut();
      return;
    }
    peer.later(this.#context, latency, () => {
      if (peer.ended || peer.handles.size === 0) onTheWay?.close();
      else peer.inbox.push({ bytes, handle: onTheWay });
      peer.pump();
    });
  }

  /** Breaks the channel: both sides read its end. */
  cut(): void {
    for (const end of [this.#end, this.#end.peer])
      end.later(this.#context, 1, () => {
        end.ended = true;
        end.pump();
      });
  }

  protected override onClose(): void {
    this.#end.handles.delete(this);
    if (this.#end.reader === this) this.#end.reader = undefined;
    if (this.#end.handles.size > 0) return;
    for (const { handle } of this.#end.inbox.splice(0)) handle?.close();
    const { peer } = this.#end;
    peer.later(this.#context, 1, () => {
      peer.ended = true;
      peer.pump();
    });
  }
}

/** A channel between two processes. */
export function channelBetween(
  one: Holder,
  other: Holder,
  context: ChannelContext,
): [PipeHandle, PipeHandle] {
  const [a, b] = [new End(), new End()];
  a.peer = b;
  b.peer = a;
  return [new PipeHandle(one, a, context), new PipeHandle(other, b, context)];
}
