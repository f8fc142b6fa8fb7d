import { builtin } from '../builtin.js';

/** Bytes of a line: short lines keep the channel free for other words in between. */
const PIECE = 48 * 1024;

/** A piece of something that is too long for one line. */
export interface Parcel {
  type: 'parcel';
  id: number;
  /** In base64. */
  data: string;
}

/** Anything that can be cloned, as bytes; throws if it cannot. */
export function pack(value: unknown): Buffer {
  return builtin('node:v8').serialize(value);
}

/** What {@link pack} was given. */
export function unpack(packed: Buffer): unknown {
  return builtin('node:v8').deserialize(packed);
}

/** Sends bytes in pieces; the word that follows says what they are. */
export function sendParcels(id: number, packed: Buffer, send: (parcel: Parcel) => void): void {
  for (let at = 0; at < packed.length; at += PIECE)
    send({ type: 'parcel', id, data: packed.subarray(at, at + PIECE).toString('base64') });
}

/** Puts pieces together again. */
export class Parcels {
  readonly #pieces = new Map<number, Buffer[]>();

  /** Keeps a piece. */
  add({ id, data }: Parcel): void {
    const pieces = this.#pieces.get(id) ?? [];
    pieces.push(Buffer.from(data, 'base64'));
    this.#pieces.set(id, pieces);
  }

  /** Everything that came for this id. */
  take(id: number): Buffer {
    const pieces = this.#pieces.get(id) ?? [];
    this.#pieces.delete(id);
    return Buffer.concat(pieces);
  }
}
