import { StringDecoder } from 'node:string_decoder';
import type { RawHandle } from '../node-private/handle.js';
import type { IpcEnd } from '../node-private/ipc.js';
import { isWritten, resumeReading, suspendReading } from '../node-private/pipe.js';
import type { World } from '../world.js';

/** Receives the messages of the other side; a handle that was sent along is the second argument. */
export type Listener<In> = (message: In, handle?: RawHandle) => void;

/** Longest line that is kept until its end arrives: a peer that never ends one must not fill the memory. */
const LONGEST_LINE = 16 * 1024 * 1024;

/**
 * The channel between the old process and its successor: JSON lines, with handles by Node's own IPC protocol.
 *
 * Both ends read it here and not through `process` or `ChildProcess`. So the application never sees these
 * messages, malformed lines are dropped, and closing emits no `'disconnect'`.
 */
export class Channel<In extends object, Out extends object> {
  readonly #world: World;
  readonly #peer: string;
  readonly #end: IpcEnd;
  #listener: Listener<In>;
  readonly #isMessage: (message: unknown) => message is In;
  readonly #decoder = new StringDecoder('utf8');
  readonly #close: () => void;
  #release = () => {};
  #open = true;
  #text = '';
  /** The handle of the line whose end has not arrived. */
  #handle: RawHandle | undefined;
  /** A message came that was sent with a handle, which may be lost. Node.js waits for an acknowledgement. */
  onHandle: () => void = () => {};
  /** Resolves when the other side is gone or the channel was closed here. */
  readonly closed: Promise<void>;

  /** Ignores lines that `isMessage` rejects. `peer` names the other side in the debug log. */
  constructor(
    world: World,
    peer: string,
    end: IpcEnd,
    isMessage: (message: unknown) => message is In,
    listener: Listener<In>,
  ) {
    this.#world = world;
    this.#peer = peer;
    this.#end = end;
    this.#isMessage = isMessage;
    this.#listener = listener;
    let resolveClosed = () => {};
    this.closed = new Promise((resolve) => {
      resolveClosed = resolve;
    });
    this.#close = end.read(
      (bytes, handle) => this.#read(bytes, handle),
      () => {
        this.#open = false;
        this.#release();
        // The rest of its line never arrives.
        this.#handle?.close();
        this.#handle = undefined;
        resolveClosed();
      },
    );
  }

  /** From now on messages go to this listener alone. */
  listen(listener: Listener<In>): void {
    this.#listener = listener;
  }

  /** Sends a message, with a handle if there is one; a message to a peer that is gone is dropped. */
  send(message: Out, handle?: RawHandle): void {
    if (!this.#open) return;
    this.#world.debug.message('to', this.#peer, message, handle !== undefined);
    try {
      this.#end.send(message, handle);
    } catch {
      // The pipe broke between the check and the write; `closed` resolves.
    }
  }

  /**
   * Sets whether this process stays alive for the other side. A timer does that, not the pipe: Node's writer
   * takes and drops its own reference of the pipe with every write that does not finish at once.
   */
  hold(alive: boolean): void {
    this.#release();
    this.#release = alive && this.#open ? this.#world.stayAlive() : () => {};
  }

  /** Whether messages can be sent. */
  get open(): boolean {
    return this.#open;
  }

  /** Whether no message is half read or half written. */
  get still(): boolean {
    return this.#text === '' && isWritten(this.#end);
  }

  /** Stops reading and returns the handle of this end, for another process to read and write. */
  suspend(): RawHandle {
    suspendReading(this.#end);
    return this.#end.pipe;
  }

  /** Reads again, since no other process does. */
  resume(): void {
    resumeReading(this.#end);
  }

  /** Closes this end. */
  close(): void {
    this.#close();
  }

  /**
   * A handle travels with the bytes of its line, and the kernel ends a read with bytes that bring one. So it
   * belongs to the last line of the read, whole or not. (A line that is cut by the end of a read must keep
   * its own handle, although the next read brings another.)
   */
  #read(bytes: Buffer, came: RawHandle | undefined): void {
    // Search the new bytes only: otherwise a long line is searched again with each piece of it.
    const [first, ...rest] = this.#decoder.write(bytes).split('\n');
    this.#text += first;
    const lines = rest.length > 0 ? [this.#text, ...rest.slice(0, -1)] : [];
    if (rest.length > 0) this.#text = rest.at(-1) as string;
    if (this.#text.length > LONGEST_LINE) this.#text = '';
    const cut = this.#text !== '';
    const kept = this.#handle;
    if (lines.length > 0 || came) this.#handle = cut ? came : undefined;
    for (const [at, line] of lines.entries()) {
      const last = at === lines.length - 1 && !cut ? came : undefined;
      this.#line(line, at === 0 ? (kept ?? last) : last);
    }
  }

  #line(line: string, handle: RawHandle | undefined): void {
    let message: unknown;
    try {
      message = JSON.parse(line);
    } catch {
      handle?.close();
      return;
    }
    const { cmd, msg } = (message ?? {}) as { cmd?: unknown; msg?: unknown };
    if (cmd === 'NODE_HANDLE') this.onHandle();
    if (cmd === 'NODE_HANDLE' && this.#isMessage(msg)) this.#hear(msg, handle);
    else {
      handle?.close();
      if (this.#isMessage(message)) this.#hear(message);
    }
  }

  #hear(message: In, handle?: RawHandle): void {
    this.#world.debug.message('from', this.#peer, message, handle !== undefined);
    this.#listener(message, handle);
  }
}
