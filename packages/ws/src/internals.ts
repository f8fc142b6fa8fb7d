/**
 * Every private name of ws that endless reads; it writes to none. ws has no public name for bytes that it has read and
 * not yet delivered. `test/internals.test.ts` pins the names on the oldest and the newest ws 8.
 */
import type { WebSocket } from 'ws';

/** The part of ws that parses frames. */
interface Receiver {
  /** Its position in a frame: see the states below. */
  _state: number;
  /** Whether its parse loop runs now. */
  _loop: boolean;
  _fin: boolean;
  /** The opcode of the current frame; a continuation has that of its message. */
  _opcode: number;
  _payloadLength: number;
  _mask: Buffer | undefined;
  /** The opcode of the message whose first frame has begun, or 0. */
  _fragmented: number;
  /** The payloads of that message so far, unmasked. */
  _fragments: Buffer[];
  /** The bytes received of the current frame, or of the next one, unchanged. */
  _buffers: Buffer[];
  /** It is a `Writable`: the number of bytes that it has not begun to parse. */
  writableLength: number;
}

/** The part of ws that builds frames; a minor release of ws 8 renamed `_deflating` to `_state`. */
interface Sender {
  _firstFragment: boolean;
  _queue: unknown[];
  _deflating?: boolean;
  _state?: number;
}

const GET_INFO = 0;
const GET_PAYLOAD_LENGTH_16 = 1;
const GET_PAYLOAD_LENGTH_64 = 2;
const GET_MASK = 3;
const GET_DATA = 4;

/** A larger half message stays until it is complete: its move would delay all others. */
export const LARGEST_HALF = 4 * 1024 * 1024;

const FIN = 0x80;
const MASKED = 0x80;
const CONTROL = 0x08;
const NO_MASK = Buffer.alloc(4);

function partsOf(ws: WebSocket): { receiver: Receiver; sender: Sender } {
  const { _receiver: receiver, _sender: sender } = ws as unknown as { _receiver: Receiver; _sender: Sender };
  return { receiver, sender };
}

/** Whether this WebSocket has the private names above, without which it cannot move. */
export function isKnown(ws: WebSocket): boolean {
  const { receiver, sender } = partsOf(ws);
  return (
    typeof receiver === 'object' &&
    receiver !== null &&
    (['_state', '_opcode', '_payloadLength', '_fragmented', 'writableLength'] as const).every(
      (name) => typeof receiver[name] === 'number',
    ) &&
    (['_loop', '_fin'] as const).every((name) => typeof receiver[name] === 'boolean') &&
    (['_fragments', '_buffers'] as const).every((name) => Array.isArray(receiver[name])) &&
    '_mask' in receiver &&
    typeof sender === 'object' &&
    sender !== null &&
    typeof sender._firstFragment === 'boolean' &&
    Array.isArray(sender._queue) &&
    (typeof sender._deflating === 'boolean' || typeof sender._state === 'number')
  );
}

/** Whether ws has written every message that the application sent, each to its end. */
export function nothingToSend(ws: WebSocket): boolean {
  const { sender } = partsOf(ws);
  const { _firstFragment, _queue, _deflating, _state } = sender;
  return ws.bufferedAmount === 0 && _firstFragment && _queue.length === 0 && !_deflating && !_state;
}

/**
 * The bytes that ws has read and not delivered, as a client would send them to another WebSocket: part of a message,
 * and part of a frame. Undefined while they cannot be told.
 */
export function undelivered(ws: WebSocket): Buffer | undefined {
  const { receiver } = partsOf(ws);
  const { _state: state, _fragmented: fragmented, _fragments: fragments } = receiver;
  if (receiver._loop || receiver.writableLength > 0 || state > GET_DATA) return undefined;
  if (sizeOf(fragments) + sizeOf(receiver._buffers) > LARGEST_HALF) return undefined;
  // ws does not tell inflated bytes from others, so a connection with extensions moves only between two messages.
  if (ws.extensions !== '' && (state !== GET_INFO || fragmented)) return undefined;
  const parts: Buffer[] = [];
  let opcode = receiver._opcode;
  if (fragmented) {
    const inData = state !== GET_INFO && opcode < CONTROL;
    // The current frame may be the first, or follow empty ones: then it can stand for the first.
    if (!inData || fragments.length > 0) {
      parts.push(head(fragmented, sizeOf(fragments)), NO_MASK, ...fragments);
      if (inData) opcode = 0;
    }
  }
  if (state !== GET_INFO) {
    const first = (receiver._fin ? FIN : 0) | opcode;
    if (state === GET_PAYLOAD_LENGTH_16) parts.push(Buffer.from([first, MASKED | 126]));
    else if (state === GET_PAYLOAD_LENGTH_64) parts.push(Buffer.from([first, MASKED | 127]));
    else parts.push(head(first, receiver._payloadLength));
    if (state === GET_DATA) parts.push(receiver._mask as Buffer);
  }
  return Buffer.concat([...parts, ...receiver._buffers]);
}

const sizeOf = (parts: readonly Buffer[]) => parts.reduce((sum, { length }) => sum + length, 0);

/** The head of a masked frame, up to the mask. */
function head(first: number, length: number): Buffer {
  if (length < 126) return Buffer.from([first, MASKED | length]);
  const bytes = Buffer.alloc(length < 65_536 ? 4 : 10);
  bytes[0] = first;
  bytes[1] = MASKED | (bytes.length === 4 ? 126 : 127);
  if (bytes.length === 4) bytes.writeUInt16BE(length, 2);
  else bytes.writeUIntBE(length, 4, 6);
  return bytes;
}

export const STATES = { GET_INFO, GET_PAYLOAD_LENGTH_16, GET_PAYLOAD_LENGTH_64, GET_MASK, GET_DATA };
