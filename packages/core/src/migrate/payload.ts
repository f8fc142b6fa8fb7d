import { builtin } from '../builtin.js';

/** Bytes of a line: between short lines the channel can carry other messages. */
const LINE = 48 * 1024;

/** Pieces of what sockets take along, by their ids: many small ones, or a part of a large one. */
export interface Payload {
  type: 'payload';
  /** In base64. */
  pieces: [id: number, data: string][];
}

/** Anything that can be cloned, as bytes; throws if it cannot. */
export function pack(value: unknown): Buffer {
  return builtin('node:v8').serialize(value);
}

/** The value that {@link pack} got. */
export function unpack(packed: Buffer): unknown {
  return builtin('node:v8').deserialize(packed);
}

/**
 * Sends bytes in as few lines as possible; the messages that follow tell what they are.
 *
 * A line for each socket, between the messages that bring the handles, would each cost the receiver a turn of
 * its event loop. A read ends with its handle, and a turn with the first read that does not fill its buffer.
 */
export function sendPayload(
  contents: readonly (readonly [id: number, packed: Buffer])[],
  send: (payload: Payload) => void,
): void {
  let pieces: Payload['pieces'] = [];
  let room = LINE;
  const flush = () => {
    if (pieces.length > 0) send({ type: 'payload', pieces });
    pieces = [];
    room = LINE;
  };
  for (const [id, packed] of contents)
    for (let at = 0; at < packed.length; ) {
      const piece = packed.subarray(at, at + room);
      pieces.push([id, piece.toString('base64')]);
      at += piece.length;
      room -= piece.length;
      if (room === 0) flush();
    }
  flush();
}

/** Puts pieces together again. */
export class Unpacking {
  readonly #pieces = new Map<number, Buffer[]>();

  /** Keeps pieces. */
  add({ pieces }: Payload): void {
    for (const [id, data] of pieces) {
      const piece = Buffer.from(data, 'base64');
      const before = this.#pieces.get(id);
      if (before) before.push(piece);
      else this.#pieces.set(id, [piece]);
    }
  }

  /** Everything that came for this id. */
  take(id: number): Buffer {
    const [first = Buffer.alloc(0), ...rest] = this.#pieces.get(id) ?? [];
    this.#pieces.delete(id);
    return rest.length > 0 ? Buffer.concat([first, ...rest]) : first;
  }
}
