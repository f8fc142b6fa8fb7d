/**
 * Every private name of ws that is read, none of them written. ws has no public word for what it has read and not delivered
 * yet; `test/internals.test.ts` pins these on the oldest and the newest ws 8.
 */
import type { WebSocket } from 'ws';

/** What takes frames apart. */
interface Receiver {
  /** Where in a frame it is: see the states below. */
  _state: number;
  /** Whether it is in the middle of a turn. */
  _loop: boolean;
  _fin: boolean;
  /** Of the frame that it is in; a continuation has that of its message. */
  _opcode: number;
  _payloadLength: number;
  _mask: Buffer | undefined;
  /** The opcode of the message of which a first frame has begun, or 0. */
  _fragmented: number;
  /** The payloads of that message so far, unmasked. */
  _fragments: Buffer[];
  /** What has come of the current frame, or of the next one, as it came. */
  _buffers: Buffer[];
  /** It is a `Writable`: bytes that it has not begun with. */
  writableLength: number;
}

/** What puts frames together; `_deflating` became `_state` in the course of ws 8. */
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

/** A half message that is larger waits for its end: to move it would hold up all others. */
export const LARGEST_HALF = 4 * 1024 * 1024;

const FIN = 0x80;
const MASKED = 0x80;
const CONTROL = 0x08;
const NO_MASK = Buffer.alloc(4);

function partsOf(ws: WebSocket): { receiver: Receiver; sender: Sender } {
  const { _receiver: receiver, _sender: sender } = ws as unknown as { _receiver: Receiver; _sender: Sender };
  return { receiver, sender };
}

/** Whether this WebSocket is made as we know it; of another one nothing can be told. */
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

/** Whether all that was sent is written, to the end of a message. */
export function nothingToSend(ws: WebSocket): boolean {
  const { sender } = partsOf(ws);
  const { _firstFragment, _queue, _deflating, _state } = sender;
  return ws.bufferedAmount === 0 && _firstFragment && _queue.length === 0 && !_deflating && !_state;
}

/**
 * What has been read and not delivered, as the bytes of a client from which another WebSocket delivers it: the part of a
 * message that has come, and the part of a frame. Undefined while that cannot be told.
 */
export function undelivered(ws: WebSocket): Buffer | undefined {
  const { receiver } = partsOf(ws);
  const { _state: state, _fragmented: fragmented, _fragments: fragments } = receiver;
  if (receiver._loop || receiver.writableLength > 0 || state > GET_DATA) return undefined;
  if (sizeOf(fragments) + sizeOf(receiver._buffers) > LARGEST_HALF) return undefined;
  // What is inflated cannot be told from what is not: only between two messages.
  if (ws.extensions !== '' && (state !== GET_INFO || fragmented)) return undefined;
  const parts: Buffer[] = [];
  let opcode = receiver._opcode;
  if (fragmented) {
    const inData = state !== GET_INFO && opcode < CONTROL;
    // The frame that it is in may be the first, or those before it were empty: then it can stand for the first.
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
