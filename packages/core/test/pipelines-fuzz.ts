import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.js';

/** A request, and the answer that it has to get. */
interface Exchange {
  n: string;
  bytes: Buffer;
  method: string;
  body: string;
  /** Whether it asks for `100 Continue`, which may come before the answer. */
  continues: boolean;
}

/** The result of one client. */
export interface Findings {
  answered: number;
  faults: string[];
}

/**
 * One client with one connection: it sends random pipelines, cut anywhere, until `enough` returns true, and parses each answer.
 *
 * Every request gets one answer, the right one, in its order, on the connection that it came on; no connection is closed.
 */
export async function pipeline(
  port: number,
  name: string,
  random: Random,
  enough: (more: number) => boolean,
): Promise<Findings> {
  const findings: Findings = { answered: 0, faults: [] };
  const reader = await open(port);
  let n = 0;
  for (let more = 0; !enough(more) && findings.faults.length === 0; ) {
    const exchanges = Array.from({ length: random.between(1, 8) }, () =>
      exchangeOf(random, `${name}-${n++}`),
    );
    more = exchanges.length;
    const sent = write(reader.socket, Buffer.concat(exchanges.map(({ bytes }) => bytes)), random);
    try {
      for (const exchange of exchanges) {
        await reader.answer(exchange);
        findings.answered += 1;
      }
      await sent;
    } catch (error) {
      findings.faults.push(
        `${name}, ${findings.answered} answered: ${error instanceof Error ? error.message : error}`,
      );
    }
    if (random.chance(0.3)) await sleep(random.between(1, 30));
  }
  if (reader.left.length > 0 && findings.faults.length === 0)
    findings.faults.push(`${name}: unasked bytes ${JSON.stringify(reader.left)}`);
  reader.socket.destroy();
  return findings;
}

function open(port: number): Promise<Reader> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => resolve(new Reader(socket))).once('error', reject);
  });
}

/** Writes bytes in pieces that end anywhere, in the middle of a line or a chunk too. */
async function write(socket: Socket, bytes: Buffer, random: Random): Promise<void> {
  for (let at = 0; at < bytes.length && !socket.destroyed; ) {
    const end = random.chance(0.4) ? bytes.length : at + random.between(1, Math.max(1, bytes.length / 3));
    socket.write(bytes.subarray(at, end));
    at = end;
    if (at < bytes.length && random.chance(0.5)) await sleep(random.between(0, 4));
  }
}

function exchangeOf(random: Random, n: string): Exchange {
  const method = random.pick(['GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
  const hasBody = random.chance(method === 'GET' || method === 'HEAD' ? 0.1 : 0.8);
  const body = Buffer.from(
    Array.from(
      { length: hasBody ? random.pick([0, 1, random.between(2, 300), random.between(300, 30_000)]) : 0 },
      () =>
        // Bodies that look like requests and line ends are those that a wrong length would give away.
        random.chance(0.2) ? random.pick([13, 10, 71, 69, 84, 32]) : random.between(0, 255),
    ),
  );
  const isChunked = hasBody && random.chance(0.5);
  const isRead = random.chance(0.7);
  const query = [`n=${n}`, ...(isRead ? ['read'] : []), ...(random.chance(0.3) ? ['chunked'] : [])];
  if (random.chance(0.2)) query.push(`ms=${random.between(1, 25)}`);
  const sum = isChunked && random.chance(0.3) ? String(random.between(1, 1e6)) : '';
  const continues = hasBody && random.chance(0.1);
  const head = [`${method} /?${query.join('&')} HTTP/1.1`, 'Host: localhost'];
  if (random.chance(0.3)) head.push(`X-Fill: ${'x'.repeat(random.between(1, 500))}`);
  if (continues) head.push('Expect: 100-continue');
  if (isChunked) head.push('Transfer-Encoding: chunked', ...(sum ? ['Trailer: x-sum'] : []));
  else if (hasBody) head.push(`Content-Length: ${body.length}`);
  const before = '\r\n'.repeat(random.chance(0.2) ? random.between(1, 3) : 0);
  const framed = isChunked ? chunksOf(body, sum, random) : body;
  const digest = `${createHash('sha1').update(body).digest('hex')} ${sum}`;
  return {
    n,
    bytes: Buffer.concat([Buffer.from(`${before}${head.join('\r\n')}\r\n\r\n`), framed]),
    method,
    body: method === 'HEAD' ? '' : `${method} ${isRead ? digest : 'unread'}`,
    continues,
  };
}

function chunksOf(body: Buffer, sum: string, random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const end = Math.min(body.length, at + random.between(1, Math.max(1, body.length)));
    const extension = random.chance(0.2) ? ';note=1' : '';
    parts.push(
      Buffer.from(`${(end - at).toString(16)}${extension}\r\n`),
      body.subarray(at, end),
      Buffer.from('\r\n'),
    );
    at = end;
  }
  return Buffer.concat([...parts, Buffer.from(`0\r\n${sum ? `X-Sum: ${sum}\r\n` : ''}\r\n`)]);
}

/** How long an answer may take. */
const PATIENCE = 8_000;

/** Takes the answers on one connection apart, one after the other. */
class Reader {
  readonly socket: Socket;
  left = '';
  #end: string | undefined;
  #wake = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes) => {
      this.left += bytes.toString('latin1');
      this.#wake();
    });
    const ended = (how: string) => () => {
      this.#end ??= how;
      this.#wake();
    };
    socket
      .on('error', (error) => ended(error.message)())
      .on('end', ended('ended'))
      .on('close', ended('closed'));
  }

  /** Resolves when the next answer is the one to this request, in full; rejects with what is wrong. */
  async answer({ n, method, body, continues }: Exchange): Promise<void> {
    let head = await this.#until('\r\n\r\n');
    if (continues && head === 'HTTP/1.1 100 Continue') head = await this.#until('\r\n\r\n');
    const wrong = (what: string) => new Error(`${what} to ${method} ${n}: ${JSON.stringify(head)}`);
    if (!head.startsWith('HTTP/1.1 200 OK\r\n')) throw wrong('a wrong status');
    if (!head.includes(`\r\nx-n: ${n}\r\n`)) throw wrong('the answer of another request');
    if (/\r\nconnection: close/i.test(head)) throw wrong('a close notice');
    const [, length] = /\r\ncontent-length: (\d+)/i.exec(head) ?? [];
    const isChunked = /\r\ntransfer-encoding: chunked/i.test(head);
    let text = '';
    if (method === 'HEAD') text = '';
    else if (length !== undefined) text = await this.#take(Number(length));
    else if (isChunked)
      for (let size = -1; size !== 0; ) {
        size = Number.parseInt(await this.#until('\r\n'), 16);
        text += await this.#take(size);
        if ((await this.#take(2)) !== '\r\n') throw wrong('a broken chunk');
      }
    else throw wrong('an answer without a length');
    if (text !== body) throw wrong(`the body ${JSON.stringify(text)} instead of ${JSON.stringify(body)}`);
  }

  async #until(mark: string): Promise<string> {
    let index = this.left.indexOf(mark);
    for (; index < 0; index = this.left.indexOf(mark)) await this.#more();
    const found = this.left.slice(0, index);
    this.left = this.left.slice(index + mark.length);
    return found;
  }

  async #take(length: number): Promise<string> {
    while (this.left.length < length) await this.#more();
    const taken = this.left.slice(0, length);
    this.left = this.left.slice(length);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#end !== undefined) throw new Error(`the connection ${this.#end} before an answer was whole`);
    const before = this.left.length;
    const timer = setTimeout(() => {
      this.#end ??= `was silent for ${PATIENCE} ms`;
      this.#wake();
    }, PATIENCE);
    while (this.left.length === before && this.#end === undefined)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    clearTimeout(timer);
  }
}
