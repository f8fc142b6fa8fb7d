/** Checks arguments as ws does, in the process that calls: the caller would not get an error of the new process. */

const MOST_CONTROL = 125;
const MOST_REASON = 123;

/** A message as one process sends it to the other; it may be an empty text. */
export type Payload = string | Buffer;

/** The bytes that ws would send for `data`; throws where ws throws. */
export function payloadOf(data: unknown): Payload {
  if (typeof data === 'string') return data;
  if (typeof data === 'number') return String(data);
  if (!data) return Buffer.alloc(0);
  if (data instanceof Blob)
    throw new TypeError('A Blob cannot be sent on a WebSocket that has moved: send its bytes.');
  if (Buffer.isBuffer(data)) return data;
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return Buffer.from(data as readonly number[]);
}

/** The bytes that ws would send for a ping or a pong; throws where ws throws. */
export function controlPayloadOf(data: unknown): Payload {
  const payload = payloadOf(data);
  if (Buffer.byteLength(payload) > MOST_CONTROL)
    throw new RangeError('The data size must not be greater than 125 bytes');
  return payload;
}

/** The reason that goes with a close code; throws where ws throws. */
export function reasonOf(code: unknown, reason: unknown): Payload {
  if (code === undefined) return '';
  if (typeof code !== 'number' || !isValidCode(code))
    throw new TypeError('First argument must be a valid error code number');
  if (reason === undefined || !(reason as Payload).length) return '';
  if (Buffer.byteLength(reason as Payload) > MOST_REASON)
    throw new RangeError('The message must not be greater than 123 bytes');
  if (typeof reason === 'string') return reason;
  if (reason instanceof Uint8Array) return Buffer.from(reason);
  throw new TypeError('Second argument must be a string or a Uint8Array');
}

function isValidCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) ||
    (code >= 3000 && code <= 4999)
  );
}
