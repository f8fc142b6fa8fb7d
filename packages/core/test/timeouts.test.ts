import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, rowTest, test } from '@endless/conformance';
import { testedNodes } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { serve } from './program.js';

/** The bytes that a server sent on a connection until it closed it, and their time. */
interface Said {
  text: string;
  /** Milliseconds from the first byte that was written. */
  after: number;
}

/** A connection on which bytes are written one by one, as a slow client does. */
class Talk {
  readonly #socket: net.Socket;
  readonly #began = performance.now();
  /** Resolves when the server has closed the connection, which is given up after 10 s. */
  readonly closed: Promise<Said>;
  text = '';

  constructor(port: number, bytes: string) {
    this.#socket = net.connect({ port, host: '127.0.0.1' });
    onTestFinished(() => void this.#socket.destroy());
    this.#socket.setEncoding('latin1').on('data', (text) => {
      this.text += text;
    });
    this.#socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.#socket.once('close', () => resolve({ text: this.text, after: performance.now() - this.#began }));
    });
    this.#socket.setTimeout(10_000, () => this.#socket.destroy());
    this.#socket.write(bytes);
  }

  /** Writes further bytes. */
  say(bytes: string): void {
    this.#socket.write(bytes);
  }

  /** Stops to read, as a client that went to sleep. */
  pause(): void {
    this.#socket.pause();
  }

  /** Reads on. */
  resume(): void {
    this.#socket.resume();
  }

  /** Waits until the server has sent this text. */
  async hear(text: string, timeout = 5_000): Promise<void> {
    for (const end = performance.now() + timeout; !this.text.includes(text); await sleep(5))
      if (performance.now() > end)
        throw new Error(`received only ${JSON.stringify(this.text.slice(0, 500))}`);
  }
}

const GET = (target: string, ...headers: string[]) =>
  [`GET ${target} HTTP/1.1`, 'Host: here', ...headers, '', ''].join('\r\n');
const HALF_A_HEAD = 'GET / HTTP/1.1\r\nHost: he';
const HALF_A_BODY = 'POST /never HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\nhalf';

const inOwnServer = (settings: object, node = process.execPath) =>
  serve('limits.mjs', settings, { node, env: { HOOK: 'yes' } });
const inListen = (options: object, settings: object = {}) =>
  serve('limits.mjs', settings, { env: { OPTIONS: JSON.stringify(options) } });

type Start = (limits: object) => ReturnType<typeof serve>;
const SERVERS: Record<string, Start> = {
  'a server that endless made': (limits) => inListen(limits),
  'a server that the program made itself': (limits) => inOwnServer(limits),
};
const EACH = Object.keys(SERVERS).join(' and on ');
/** Tests all kinds of servers at once, since most of the time is waited for. */
const onEach = (test: (start: Start) => Promise<void>) => Promise.all(Object.values(SERVERS).map(test));

describe('`readTimeout`', () => {
  test(`answers 408 in time to half a head and to half a body, on ${EACH}`, () =>
    onEach(async (start) => {
      const { port } = await start({ readTimeout: 1_000 });
      for (const { text, after } of await Promise.all(
        [HALF_A_HEAD, HALF_A_BODY].map((bytes) => new Talk(port, bytes).closed),
      )) {
        expect(text).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
        expect(after).toBeGreaterThanOrEqual(1_000);
        expect(after).toBeLessThan(1_500);
      }
    }));

  test('lets a connection wait longer than that between two requests, and an answer take longer', async () => {
    const { port } = await inOwnServer({ readTimeout: 200 });
    const talk = new Talk(port, GET('/slow'));
    await talk.hear('slow 0');
    await sleep(600);
    talk.say(GET('/'));
    await talk.hear('generation 0');
  });

  test('holds in a successor too', async () => {
    const { program, port } = await inListen({ readTimeout: 500 });
    program.signal('SIGHUP');
    const [, pid] = await program.waitFor(/pid (\d+), generation 1, has taken over/);
    expect(await program.waitForPids(1)).toEqual([Number(pid)]);
    const { text, after } = await new Talk(port, HALF_A_HEAD).closed;
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(after).toBeGreaterThanOrEqual(500);
    expect(after).toBeLessThan(1_000);
  });
});

describe('`writeTimeout`', () => {
  test(`cuts a response that is not finished in time, and none that is, on ${EACH}`, () =>
    onEach(async (start) => {
      const { port } = await start({ writeTimeout: 700 });
      const [never, begun] = await Promise.all(
        ['/never', '/begun'].map((target) => new Talk(port, GET(target)).closed),
      );
      expect(never?.text).toBe('');
      expect(begun?.text).toMatch(/\r\nbegun \r\n$/);
      for (const said of [never, begun]) {
        expect(said?.after).toBeGreaterThanOrEqual(700);
        expect(said?.after).toBeLessThan(1_200);
      }

      const finished = new Talk(port, GET('/slow'));
      await finished.hear('slow 0');
      // Past the limit of the first response the connection is as good as new.
      await sleep(600);
      finished.say(GET('/'));
      await finished.hear('generation 0');
    }));

  test('counts from the end of the request head', async () => {
    const { port } = await inListen({ writeTimeout: 500 });
    const talk = new Talk(port, HALF_A_HEAD);
    await sleep(700);
    talk.say('re\r\n\r\n');
    await talk.hear('generation 0');
  });

  test('cuts a response that its client does not read', async () => {
    const { port } = await inListen({ writeTimeout: 500 });
    const talk = new Talk(port, GET('/large'));
    talk.pause();
    await sleep(1_000);
    talk.resume();
    const { text } = await talk.closed;
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text.length).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('`maxHeaderBytes`', () => {
  test(`answers 431 to a larger request head, on ${EACH}`, () =>
    onEach(async (start) => {
      const { port } = await start({ maxHeaderBytes: 2_000 });
      const { text } = await new Talk(port, GET('/', `X-Large: ${'x'.repeat(2_000)}`)).closed;
      expect(text).toMatch(/^HTTP\/1\.1 431 Request Header Fields Too Large\r\n/);
      const talk = new Talk(port, GET('/', `X-Large: ${'x'.repeat(1_500)}`));
      await talk.hear('generation 0');
    }));
});

test('the limits hold in a program that uses nothing of endless but `endless.configure`', async () => {
  const { port } = await serve('limits.mjs', { readTimeout: 500, maxHeaderBytes: 2_000 });
  const { text } = await new Talk(port, GET('/', 'Connection: close', `X-Large: ${'x'.repeat(2_000)}`))
    .closed;
  expect(text).toMatch(/^HTTP\/1\.1 431 /);
  const late = await new Talk(port, HALF_A_HEAD).closed;
  expect(late.text).toMatch(/^HTTP\/1\.1 408 /);
  expect(late.after).toBeGreaterThanOrEqual(500);
  expect(late.after).toBeLessThan(1_000);
});

test('what one server is given goes over what the process is given, and the rest stays', async () => {
  const { port } = await inListen(
    { readTimeout: 500, maxHeaderBytes: 40_000 },
    { readTimeout: 20_000, maxHeaderBytes: 1_000, writeTimeout: 700 },
  );
  const large = new Talk(port, GET('/', `X-Large: ${'x'.repeat(30_000)}`));
  await large.hear('generation 0');
  const [late, never] = await Promise.all([
    new Talk(port, HALF_A_HEAD).closed,
    new Talk(port, GET('/never')).closed,
  ]);
  expect(late.text).toMatch(/^HTTP\/1\.1 408 /);
  expect(late.after).toBeLessThan(1_000);
  expect(never.text).toBe('');
  expect(never.after).toBeGreaterThanOrEqual(700);
  expect(never.after).toBeLessThan(1_200);
});

describe('the limits hold on', () => {
  for (const { major, path } of testedNodes())
    rowTest(`Node ${major}`, async () => {
      const limits = { readTimeout: 500, writeTimeout: 700, maxHeaderBytes: 2_000 };
      const { port } = await inOwnServer(limits, path);
      const [late, never, large] = await Promise.all(
        [HALF_A_HEAD, GET('/never'), GET('/', `X-Large: ${'x'.repeat(2_000)}`)].map(
          (bytes) => new Talk(port, bytes).closed,
        ),
      );
      expect(late?.text).toMatch(/^HTTP\/1\.1 408 /);
      expect(late?.after).toBeGreaterThanOrEqual(500);
      expect(late?.after).toBeLessThan(1_000);
      expect(never?.text).toBe('');
      expect(never?.after).toBeGreaterThanOrEqual(700);
      expect(never?.after).toBeLessThan(1_200);
      expect(large?.text).toMatch(/^HTTP\/1\.1 431 /);
    });
});
