import type { LossKind } from './losses.js';

/** The head of a response. Header names are in lower case. */
export interface ResponseHead {
  status: number;
  headers: Readonly<Record<string, string>>;
}

/** The bytes of a connection are not what a response may be. */
export class BadResponse extends Error {
  readonly kind: LossKind;

  constructor(kind: 'malformed' | 'wrong-length', message: string) {
    super(message);
    this.kind = kind;
  }
}

const LONGEST_HEAD = 64 * 1_024;
const LONGEST_LINE = 16 * 1_024;
const TOKEN = /^[!#$%&'*+.^_`|~\w-]+$/;

/** Reads one part of a response; returns the bytes behind it, or undefined if it needs more. */
type Part = (bytes: Buffer) => Buffer | undefined;

/**
 * Reads the response to one request, and accepts no byte that RFC 9112 does not. The clients of Node.js are
 * too lenient to judge: for `fetch` a response with bytes behind it is whole.
 */
export class ResponseParser {
  /** The head, once it has come. */
  head: ResponseHead | undefined;
  /** How many bytes have come. */
  received = 0;
  readonly #bodiless: boolean;
  #part: Part | undefined = (bytes) => this.#readHead(bytes);
  #rest: Buffer | undefined;
  #left = 0;
  #untilClose = false;
  #persistent = false;

  constructor(method: string) {
    this.#bodiless = method === 'HEAD';
  }

  /** Whether the response is whole. */
  get whole(): boolean {
    return this.#part === undefined;
  }

  /** Whether the connection may carry another request. */
  get keepsAlive(): boolean {
    return this.#persistent && !this.#untilClose;
  }

  /** Reads the next bytes; returns whether the response is whole. Throws {@link BadResponse}. */
  push(chunk: Buffer): boolean {
    this.received += chunk.length;
    let bytes: Buffer | undefined = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    while (this.#part && bytes && bytes.length > 0) {
      const behind: Buffer | undefined = this.#part(bytes);
      if (!behind) this.#rest = bytes;
      bytes = behind;
    }
    if (!this.#part && bytes && bytes.length > 0)
      throw new BadResponse('wrong-length', `${bytes.length} bytes after the end of the response`);
    return this.whole;
  }

  /** The connection has ended cleanly; returns whether that completes the response. */
  end(): boolean {
    if (this.#untilClose) this.#part = undefined;
    return this.whole;
  }

  #readHead(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) {
      const start = bytes.toString('latin1', 0, 7);
      if (!'HTTP/1.'.startsWith(start)) throw new BadResponse('malformed', `the response begins "${start}"`);
      if (bytes.length > LONGEST_HEAD) throw new BadResponse('malformed', 'the response head has no end');
      return undefined;
    }
    const [statusLine = '', ...lines] = bytes.toString('latin1', 0, end).split('\r\n');
    const [, minor, code] = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [^\r\n]*)?$/.exec(statusLine) ?? [];
    if (code === undefined) throw new BadResponse('malformed', `status line "${statusLine.slice(0, 40)}"`);
    const status = Number(code);
    const headers = headersOf(lines);
    if (status === 101) throw new BadResponse('malformed', '101 without a request for it');
    // An interim response, such as 103: the final one follows.
    if (status >= 200) {
      this.head = { status, headers };
      this.#persistent = minor === '1' && !/(^|,)\s*close\s*(,|$)/i.test(headers.connection ?? '');
      this.#part = this.#bodyOf(status, headers);
    }
    return bytes.subarray(end + 4);
  }

  #bodyOf(status: number, headers: Readonly<Record<string, string>>): Part | undefined {
    const { 'transfer-encoding': encoding, 'content-length': length } = headers;
    if (encoding !== undefined && length !== undefined)
      throw new BadResponse('malformed', 'Transfer-Encoding and Content-Length');
    if (length !== undefined && !/^\d{1,15}$/.test(length))
      throw new BadResponse('malformed', `Content-Length "${length}"`);
    if (encoding !== undefined && encoding.toLowerCase() !== 'chunked')
      throw new BadResponse('malformed', `Transfer-Encoding "${encoding}"`);
    if (this.#bodiless || status === 204 || status === 304) return undefined;
    if (encoding !== undefined) return (bytes) => this.#readChunkSize(bytes);
    if (length === undefined) {
      this.#untilClose = true;
      return (bytes) => bytes.subarray(bytes.length);
    }
    this.#left = Number(length);
    return this.#left === 0 ? undefined : (bytes) => this.#readBytes(bytes, undefined);
  }

  #readBytes(bytes: Buffer, next: Part | undefined): Buffer {
    const taken = Math.min(bytes.length, this.#left);
    this.#left -= taken;
    if (this.#left === 0) this.#part = next;
    return bytes.subarray(taken);
  }

  #readChunkSize(bytes: Buffer): Buffer | undefined {
    const line = lineOf(bytes);
    if (line === undefined) return undefined;
    const [, size] = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line) ?? [];
    if (size === undefined) throw new BadResponse('malformed', `chunk size "${line.slice(0, 40)}"`);
    this.#left = Number.parseInt(size, 16);
    const data: Part = (more) => this.#readBytes(more, (behind) => this.#readChunkEnd(behind));
    this.#part = this.#left === 0 ? (more) => this.#readTrailer(more) : data;
    return bytes.subarray(line.length + 2);
  }

  #readChunkEnd(bytes: Buffer): Buffer | undefined {
    if (bytes.length < 2) return undefined;
    if (bytes.toString('latin1', 0, 2) !== '\r\n')
      throw new BadResponse('wrong-length', 'a chunk is longer than its size');
    this.#part = (more) => this.#readChunkSize(more);
    return bytes.subarray(2);
  }

  #readTrailer(bytes: Buffer): Buffer | undefined {
    const line = lineOf(bytes);
    if (line === undefined) return undefined;
    if (line === '') this.#part = undefined;
    else headersOf([line]);
    return bytes.subarray(line.length + 2);
  }
}

function lineOf(bytes: Buffer): string | undefined {
  const end = bytes.indexOf('\r\n');
  if (end >= 0) return bytes.toString('latin1', 0, end);
  if (bytes.length > LONGEST_LINE) throw new BadResponse('malformed', 'a line has no end');
  return undefined;
}

function headersOf(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon));
    if (!TOKEN.test(name) || /[\r\n]/.test(line))
      throw new BadResponse('malformed', `header line "${line.slice(0, 40)}"`);
    const key = name.toLowerCase();
    const value = line.slice(colon + 1).trim();
    headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
  }
  return headers;
}
