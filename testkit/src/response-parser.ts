/** The head of an HTTP/1 response. Header names are in lower case. */
export interface ResponseHead {
  httpVersion: '1.0' | '1.1';
  status: number;
  headers: Record<string, string>;
}

/** Thrown for bytes that are not an HTTP/1 response. */
export class MalformedResponse extends Error {
  override name = 'MalformedResponse';
}

type Phase =
  | 'head'
  | 'sized-body'
  | 'chunk-size'
  | 'chunk-data'
  | 'chunk-end'
  | 'trailers'
  | 'until-close'
  | 'done';

/** Parses one response at a time from the bytes of a connection, and throws for all that is not well formed. */
export class ResponseParser {
  #phase: Phase = 'done';
  #method = 'GET';
  #keepBody = false;
  #rest: Buffer | undefined;
  #remaining = 0;
  #parts: Buffer[] = [];
  #head: ResponseHead | undefined;
  #received = 0;

  /** Starts to read the response to a request of this method. */
  expect(method: string, keepBody: boolean): void {
    this.#phase = 'head';
    this.#method = method;
    this.#keepBody = keepBody;
    this.#rest = undefined;
    this.#remaining = 0;
    this.#parts = [];
    this.#head = undefined;
    this.#received = 0;
  }

  /** Bytes received of the response that is being read. */
  get received(): number {
    return this.#received;
  }

  /** The head of the response, once it has been read. */
  get head(): ResponseHead | undefined {
    return this.#head;
  }

  /** The body so far, empty unless `expect` asked to keep it. */
  get body(): Buffer {
    return this.#parts.length === 1 && this.#parts[0] ? this.#parts[0] : Buffer.concat(this.#parts);
  }

  /** Whether the connection may carry another request after this response. */
  get keepsAlive(): boolean {
    if (this.#head?.httpVersion !== '1.1' || this.#phase === 'until-close') return false;
    const connection = this.#head.headers.connection;
    return connection === undefined || !/(^|,)\s*close\s*(,|$)/i.test(connection);
  }

  /** Parses the next bytes of the connection; returns true once the response is whole. */
  push(chunk: Buffer): boolean {
    this.#received += chunk.length;
    if (this.#phase === 'done') throw new MalformedResponse(`${chunk.length} bytes without a request`);

    let bytes: Buffer | undefined = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    while (bytes && bytes.length > 0 && !this.#isDone()) {
      const left = this.#step(bytes);
      if (left === undefined) this.#rest = bytes;
      bytes = left;
    }
    if (this.#isDone() && bytes && bytes.length > 0) {
      throw new MalformedResponse(`${bytes.length} bytes after the end of the response`);
    }
    return this.#isDone();
  }

  /** Ends the bytes at a clean end of the connection; returns true if that completes the response. */
  end(): boolean {
    return this.#phase === 'until-close';
  }

  #isDone(): boolean {
    return this.#phase === 'done';
  }

  // Consumes one element and returns the bytes after it, or undefined when it needs more bytes.
  #step(bytes: Buffer): Buffer | undefined {
    switch (this.#phase) {
      case 'head':
        return this.#readHead(bytes);
      case 'sized-body':
        return this.#readBody(bytes, 'done');
      case 'chunk-size':
        return this.#readChunkSize(bytes);
      case 'chunk-data':
        return this.#readBody(bytes, 'chunk-end');
      case 'chunk-end':
        return this.#readChunkEnd(bytes);
      case 'trailers':
        return this.#readTrailers(bytes);
      case 'until-close':
        if (this.#keepBody) this.#parts.push(bytes);
        return bytes.subarray(bytes.length);
      case 'done':
        return bytes;
    }
  }

  #readHead(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf('\r\n\r\n');
    if (end === -1) {
      const start = bytes.toString('latin1', 0, STATUS_LINE_START.length);
      if (!STATUS_LINE_START.startsWith(start)) throw new MalformedResponse(`status line begins "${start}"`);
      if (bytes.length > MAX_HEAD_BYTES) throw new MalformedResponse('endless response head');
      return undefined;
    }

    const head = parseHead(bytes.toString('latin1', 0, end));
    const rest = bytes.subarray(end + 4);
    if (head.status === 101) throw new MalformedResponse('101 without a request to upgrade');
    if (head.status < 200) return rest;
    this.#head = head;
    this.#phase = this.#bodyPhase(head);
    return rest;
  }

  #bodyPhase({ status, headers }: ResponseHead): Phase {
    const encoding = headers['transfer-encoding'];
    const length = headers['content-length'];
    if (encoding !== undefined && length !== undefined) {
      throw new MalformedResponse('both Transfer-Encoding and Content-Length');
    }
    if (length !== undefined && !/^\d+$/.test(length)) {
      throw new MalformedResponse(`Content-Length "${length}"`);
    }
    if (encoding !== undefined && encoding.toLowerCase() !== 'chunked') {
      throw new MalformedResponse(`Transfer-Encoding "${encoding}"`);
    }
    if (this.#method === 'HEAD' || status === 204 || status === 304) return 'done';
    if (encoding !== undefined) return 'chunk-size';
    if (length === undefined) return 'until-close';
    this.#remaining = Number(length);
    return this.#remaining === 0 ? 'done' : 'sized-body';
  }

  #readBody(bytes: Buffer, next: Phase): Buffer {
    const taken = Math.min(bytes.length, this.#remaining);
    if (this.#keepBody) this.#parts.push(bytes.subarray(0, taken));
    this.#remaining -= taken;
    if (this.#remaining === 0) this.#phase = next;
    return bytes.subarray(taken);
  }

  #readChunkSize(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf('\r\n');
    if (end === -1) {
      if (bytes.length > MAX_LINE_BYTES) throw new MalformedResponse('endless chunk size line');
      return undefined;
    }
    const line = bytes.toString('latin1', 0, end);
    const size = /^([0-9a-f]{1,8})[ \t]*(;.*)?$/i.exec(line)?.[1];
    if (size === undefined) throw new MalformedResponse(`chunk size "${line.slice(0, 40)}"`);
    this.#remaining = Number.parseInt(size, 16);
    this.#phase = this.#remaining === 0 ? 'trailers' : 'chunk-data';
    return bytes.subarray(end + 2);
  }

  #readChunkEnd(bytes: Buffer): Buffer | undefined {
    if (bytes.length < 2) return undefined;
    if (bytes[0] !== CR || bytes[1] !== LF) throw new MalformedResponse('chunk longer than its size');
    this.#phase = 'chunk-size';
    return bytes.subarray(2);
  }

  #readTrailers(bytes: Buffer): Buffer | undefined {
    const end = bytes.indexOf('\r\n');
    if (end === -1) {
      if (bytes.length > MAX_LINE_BYTES) throw new MalformedResponse('endless trailer line');
      return undefined;
    }
    if (end === 0) this.#phase = 'done';
    else parseHeaderLine(bytes.toString('latin1', 0, end));
    return bytes.subarray(end + 2);
  }
}

const CR = 13;
const LF = 10;
const STATUS_LINE_START = 'HTTP/1.';
const MAX_HEAD_BYTES = 64 * 1024;
const MAX_LINE_BYTES = 16 * 1024;

function parseHead(text: string): ResponseHead {
  const lines = text.split('\r\n');
  const statusLine = lines[0] ?? '';
  const match = /^HTTP\/(1\.[01]) ([1-5]\d\d)( [^\r\n]*)?$/.exec(statusLine);
  if (!match) throw new MalformedResponse(`status line "${statusLine.slice(0, 40)}"`);

  const headers: Record<string, string> = Object.create(null);
  for (let index = 1; index < lines.length; index++) {
    const [name, value] = parseHeaderLine(lines[index] ?? '');
    const before = headers[name];
    headers[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return { httpVersion: match[1] === '1.0' ? '1.0' : '1.1', status: Number(match[2]), headers };
}

function parseHeaderLine(line: string): [name: string, value: string] {
  const colon = line.indexOf(':');
  const name = line.slice(0, colon);
  if (colon < 1 || !/^[!#$%&'*+.^_`|~\w-]+$/.test(name) || /[\r\n]/.test(line)) {
    throw new MalformedResponse(`header line "${line.slice(0, 40)}"`);
  }
  return [name.toLowerCase(), line.slice(colon + 1).trim()];
}
