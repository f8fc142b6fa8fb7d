import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

/** How a message is sent. */
export interface Sending {
  /** Into how many frames it is cut at most. */
  frames?: number;
  /** Writes its bytes in pieces of random length, in turns of the event loop of their own. */
  torn?: boolean;
}

const CONTINUATION = 0;
const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/**
 * A WebSocket client that forgives nothing: it numbers what it sends, expects each message back once and in order, counts
 * the pushes of the server, and calls every close a loss. It is made of a raw socket, so that it chooses where the bytes of a
 * frame are torn.
 */
export class StrictClient {
  readonly socket: net.Socket;
  /** What went wrong, in words. */
  readonly losses: string[] = [];
  /** Echoes and pushes that came as they should. */
  received = 0;
  /** The code of the close frame that came. */
  closeCode: number | undefined;
  /** The lines of the answer to the handshake. */
  head = '';
  readonly #expected: { opcode: number; payload: Buffer }[] = [];
  readonly #pings: Buffer[] = [];
  #pushed = 0;
  #chunks: Buffer[] = [];
  #length = 0;
  #upgraded = false;
  #closing = false;
  #writing = Promise.resolve();
  readonly closed: Promise<void>;
  /** Called with every text message that is neither echo nor push. */
  onText: ((text: string) => void) | undefined;

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay();
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        if (!this.#closing) this.losses.push(`closed with ${this.closeCode ?? 'no frame'}`);
        resolve();
      });
    });
    socket.on('error', () => {});
    socket.on('data', (chunk) => this.#read(chunk));
  }

  /** Opens one; rejects if it is not upgraded. */
  static async open(
    port: number,
    { path = '/', headers = {} }: { path?: string; headers?: Record<string, string> } = {},
  ): Promise<StrictClient> {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const client = new StrictClient(socket);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n${lines.join('')}\r\n`,
    );
    for (
      const end = Date.now() + 10_000;
      !client.#upgraded;
      await new Promise((resolve) => setTimeout(resolve, 2))
    )
      if (socket.destroyed || Date.now() > end) throw new Error(`not upgraded: ${client.head}`);
    return client;
  }

  /** Sends a message and expects it back. */
  send(data: string | Buffer, sending: Sending = {}): Promise<void> {
    const opcode = typeof data === 'string' ? TEXT : BINARY;
    const payload = Buffer.from(data);
    this.#expected.push({ opcode, payload });
    return this.#write(framesOf(opcode, payload, sending.frames ?? 1), sending.torn ?? false);
  }

  /** Sends a text for which nothing is expected. */
  say(text: string): Promise<void> {
    return this.#write(framesOf(TEXT, Buffer.from(text), 1), false);
  }

  /** Sends bytes as they are. */
  raw(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  ping(): Promise<void> {
    const payload = randomBytes(4);
    this.#pings.push(payload);
    return this.#write([frame(PING, payload, true)], false);
  }

  /** What was sent and has not come back. */
  get outstanding(): number {
    return this.#expected.length + this.#pings.length;
  }

  get pushed(): number {
    return this.#pushed;
  }

  /** Ends it; what is still outstanding is a loss. */
  async end(): Promise<void> {
    for (const end = Date.now() + 10_000; this.outstanding > 0 && !this.socket.destroyed; )
      if (Date.now() > end) {
        this.losses.push(`${this.outstanding} never came back`);
        break;
      } else await new Promise((resolve) => setTimeout(resolve, 5));
    this.abandon();
  }

  /** Ends it as it is. */
  abandon(): void {
    this.#closing = true;
    this.socket.destroy();
  }

  #write(frames: Buffer[], torn: boolean): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      const bytes = Buffer.concat(frames);
      for (let at = 0; at < bytes.length; ) {
        const end = torn ? at + randomInt(1, Math.max(2, Math.ceil(bytes.length / 3))) : bytes.length;
        if (this.socket.destroyed) return;
        if (!this.socket.write(bytes.subarray(at, end)))
          await Promise.race([once(this.socket, 'drain'), this.closed]).catch(() => {});
        else if (torn) await new Promise((resolve) => setTimeout(resolve, randomInt(3)));
        at = end;
      }
    });
    return this.#writing;
  }

  #read(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (!this.#upgraded) {
      const all = this.#take(this.#length);
      const end = all.indexOf('\r\n\r\n');
      this.head = all.subarray(0, end < 0 ? undefined : end).toString();
      if (end < 0 || !this.head.startsWith('HTTP/1.1 101')) {
        this.#put(all);
        return;
      }
      this.#upgraded = true;
      this.#put(all.subarray(end + 4));
    }
    while (this.#frame());
  }

  #frame(): boolean {
    if (this.#length < 2) return false;
    if ((this.#chunks[0] as Buffer).length < Math.min(10, this.#length)) this.#put(this.#take(this.#length));
    const first = this.#chunks[0] as Buffer;
    let length = (first[1] as number) & 0x7f;
    const at = length === 126 ? 4 : length === 127 ? 10 : 2;
    if (this.#length < at) return false;
    if (length === 126) length = first.readUInt16BE(2);
    else if (length === 127) length = first.readUIntBE(4, 6);
    if (this.#length < at + length) return false;
    const whole = this.#take(at + length);
    this.#hear((whole[0] as number) & 0x0f, whole.subarray(at), ((whole[0] as number) & 0x80) !== 0);
    return true;
  }

  #hear(opcode: number, payload: Buffer, fin: boolean): void {
    if (!fin || opcode === CONTINUATION) this.losses.push('a fragmented message came');
    if (opcode === CLOSE) {
      this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      if (!this.socket.destroyed) this.socket.end(frame(CLOSE, payload.subarray(0, 2), true));
      return;
    }
    if (opcode === PONG) {
      const ping = this.#pings.shift();
      if (!ping?.equals(payload)) this.losses.push('a pong that was not asked for');
      this.received += 1;
      return;
    }
    if (opcode === TEXT) {
      const text = payload.length < 64 ? payload.toString() : '';
      if (text.startsWith('push ')) {
        if (Number(text.slice(5)) !== this.#pushed) this.losses.push(`${text} came for ${this.#pushed}`);
        this.#pushed = Number(text.slice(5)) + 1;
        this.received += 1;
        return;
      }
      if (this.onText && this.#expected.length === 0) {
        this.onText(payload.toString());
        return;
      }
    }
    const expected = this.#expected.shift();
    if (expected?.opcode === opcode && expected.payload.equals(payload)) this.received += 1;
    else
      this.losses.push(
        `expected ${expected?.payload.subarray(0, 20).toString()}, got ${payload.subarray(0, 20).toString()}`,
      );
  }

  #put(bytes: Buffer): void {
    if (bytes.length > 0) this.#chunks.unshift(bytes);
    this.#length += bytes.length;
  }

  #take(length: number): Buffer {
    const all = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = all.length > length ? [all.subarray(length)] : [];
    this.#length = all.length - length;
    return all.subarray(0, length);
  }
}

/** A message in so many frames at most. */
export function framesOf(opcode: number, payload: Buffer, most: number): Buffer[] {
  const frames: Buffer[] = [];
  const count = most > 1 ? randomInt(1, most + 1) : 1;
  for (let at = 0, index = 0; index < count; index += 1) {
    const last = index === count - 1;
    const end = last ? payload.length : randomInt(at, payload.length + 1);
    frames.push(frame(index === 0 ? opcode : CONTINUATION, payload.subarray(at, end), last));
    at = end;
  }
  return frames;
}

/** One masked frame. */
export function frame(opcode: number, payload: Buffer, fin: boolean): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 6 : length < 65_536 ? 8 : 14);
  head[0] = (fin ? 0x80 : 0) | opcode;
  head[1] = 0x80 | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (head.length === 8) head.writeUInt16BE(length, 2);
  if (head.length === 14) head.writeUIntBE(length, 4, 6);
  const mask = randomBytes(4);
  mask.copy(head, head.length - 4);
  const masked = Buffer.allocUnsafe(length);
  for (let at = 0; at < length; at += 1) masked[at] = (payload[at] as number) ^ (mask[at & 3] as number);
  return Buffer.concat([head, masked]);
}
