import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A frame of HTTP/2 (RFC 9113, 4.1). */
export interface Frame {
  type: string;
  flags: number;
  stream: number;
  payload: Buffer;
}

const TYPES = [
  'DATA',
  'HEADERS',
  'PRIORITY',
  'RST_STREAM',
  'SETTINGS',
  'PUSH_PROMISE',
  'PING',
  'GOAWAY',
  'WINDOW_UPDATE',
];
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const ACK = 0x1;

/** An HTTP/2 client made of frames: it sends the frames of the test, answers only SETTINGS by itself, and keeps all frames received. */
export class FrameClient {
  readonly frames: Frame[] = [];
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #rest = Buffer.alloc(0);

  /** Speaks over a connection that is established, with prior knowledge. */
  constructor(socket: Socket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
    socket.on('error', () => {}).on('data', (bytes: Buffer) => this.#read(bytes));
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    this.#send('SETTINGS', 0, 0);
  }

  /** Opens a stream with a GET. */
  get(stream: number, path: string): void {
    const literal = (index: number, value: string) => [index, value.length, ...Buffer.from(value, 'latin1')];
    // HPACK (RFC 7541): :method GET and :scheme http are in its static table, :path and :authority get a value.
    const block = [0x82, 0x86, ...literal(0x04, path), ...literal(0x01, 'localhost')];
    this.#send('HEADERS', END_STREAM | END_HEADERS, stream, Buffer.from(block));
  }

  /** Answers a PING. */
  pong({ payload }: Frame): void {
    this.#send('PING', ACK, 0, payload);
  }

  /** Resolves with the nth frame of a type, on a stream if one is named. */
  async receive(type: string, { nth = 1, stream }: { nth?: number; stream?: number } = {}): Promise<Frame> {
    for (const end = performance.now() + 5_000; ; await sleep(5)) {
      const frame = this.frames.filter(
        (each) => each.type === type && (stream === undefined || each.stream === stream),
      )[nth - 1];
      if (frame) return frame;
      if (performance.now() > end) throw new Error(`no ${nth}th ${type} on ${stream} in: ${this.story}`);
    }
  }

  /** The names of the frames received, without those that do not concern streams. */
  get story(): string[] {
    return this.frames.flatMap((frame) => {
      if (['SETTINGS', 'WINDOW_UPDATE'].includes(frame.type)) return [];
      if (frame.type === 'GOAWAY')
        return [`GOAWAY ${frame.payload.readUInt32BE(0)} error ${frame.payload.readUInt32BE(4)}`];
      if (frame.type === 'PING') return ['PING'];
      if (frame.type === 'RST_STREAM')
        return [`RST_STREAM ${frame.stream} error ${frame.payload.readUInt32BE(0)}`];
      const ends = (frame.type === 'DATA' || frame.type === 'HEADERS') && frame.flags & END_STREAM;
      return [`${frame.type} ${frame.stream}${ends ? ' end' : ''}`];
    });
  }

  /** The body of a stream so far. */
  body(stream: number): string {
    return Buffer.concat(
      this.frames
        .filter((frame) => frame.type === 'DATA' && frame.stream === stream)
        .map(({ payload }) => payload),
    ).toString();
  }

  #send(type: string, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): void {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(TYPES.indexOf(type), 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #read(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 9) {
      const length = this.#rest.readUIntBE(0, 3);
      if (this.#rest.length < 9 + length) return;
      const frame = {
        type: TYPES[this.#rest.readUInt8(3)] ?? 'unknown',
        flags: this.#rest.readUInt8(4),
        stream: this.#rest.readUInt32BE(5) & 0x7fffffff,
        payload: this.#rest.subarray(9, 9 + length),
      };
      this.#rest = this.#rest.subarray(9 + length);
      this.frames.push(frame);
      if (frame.type === 'SETTINGS' && !(frame.flags & ACK)) this.#send('SETTINGS', ACK, 0);
    }
  }
}
