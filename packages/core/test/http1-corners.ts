import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '@endless/testkit';
import { expect, test } from 'vitest';
import { getJson, hup, RawClient, type Served, serve, until } from './program.js';

/** A way in which a drain begins. */
export interface Ending {
  name: string;
  restarts: boolean;
  /** Whether connections go to the successor alive. */
  moves: boolean;
  rollbackWindow: number;
}

const SHUTDOWN = { name: 'a shutdown', restarts: false, moves: false, rollbackWindow: 0 };
/** A restart, with and without migration, and with and without a rollback window. */
const [MOVES, MOVES_AT_ONCE, STAYS, STAYS_AT_ONCE] = [true, false].flatMap((moves) =>
  [500, 0].map((rollbackWindow) => ({
    name: `a restart with migrate: ${moves}, rollbackWindow: ${rollbackWindow}`,
    restarts: true,
    moves,
    rollbackWindow,
  })),
) as [Ending, Ending, Ending, Ending];
export const ENDINGS = [MOVES, SHUTDOWN];
export const MORE_ENDINGS = [MOVES_AT_ONCE, STAYS, STAYS_AT_ONCE];

const SETTINGS = { idleGrace: 1_200, hammerTime: 10_000 };

/** The servers of the program: as it is, one that listens to `'checkContinue'`, one with limits of a second. */
type Kind = 'plain' | 'checking' | 'strict';

/** A program, the beginning of its drain, and the answers to its clients. */
class Scene {
  readonly ending: Ending;
  readonly #served: Served;
  readonly #ports: Record<Kind, number>;
  /** Resolves when the first process drains, which begins once every corner waits for it. */
  readonly drain: () => Promise<void>;

  constructor(served: Served, ports: Record<Kind, number>, ending: Ending, drain: () => Promise<void>) {
    this.#served = served;
    this.#ports = ports;
    this.ending = ending;
    this.drain = drain;
  }

  /** A client with a connection of its own. */
  client(kind: Kind = 'plain'): RawClient {
    return new RawClient(this.#ports[kind]);
  }

  /** A client whose connection has carried a request and is idle again. */
  async idle(kind: Kind = 'plain'): Promise<RawClient> {
    const client = this.client(kind).get('/');
    await client.receive(/hello$/);
    return client;
  }

  /** Waits until the server has accepted these connections and read all that was sent on them. */
  async arrived(...clients: RawClient[]): Promise<void> {
    await until(async () => {
      const read = await getJson<Record<string, number>>(this.#served.port, '/bytes-read');
      return clients.every(({ socket }) => read[String(socket.localPort)] === socket.bytesWritten);
    });
  }

  /** Counts the requests of a client that the application was given, also when its connection has ended. */
  counter({ socket: { localPort } }: RawClient): () => number {
    return () => this.#served.program.stdout.split(`ran ${localPort}\n`).length - 1;
  }

  /** An answer with `Connection: close`, after which the client uses another connection; or the successor serves it from now on. */
  async isLast(client: RawClient, answers: string): Promise<void> {
    if (this.ending.moves) {
      expect(lastHead(answers)).not.toMatch(CLOSE);
      await this.servedBy(client, 1);
      return;
    }
    expect(answers).toMatch(/x-generation: 0/i);
    expect(lastHead(answers)).toMatch(CLOSE);
    await client.closed;
    expect(client.text).toBe('');
    expect(client.error).toBeUndefined();
  }

  /** An answer whose head promised to keep the connection before the drain began: the one after it is the last. */
  async isLastButOne(client: RawClient, answers: string): Promise<void> {
    expect(lastHead(answers)).not.toMatch(CLOSE);
    if (this.ending.moves) await this.servedBy(client, 1);
    else await this.isLast(client, await client.get('/').receive(/hello$/));
  }

  /** Until it has moved a connection may be served by the old process still. */
  async servedBy(client: RawClient, generation: number): Promise<void> {
    await until(async () => {
      const answer = await client.get('/').receive(/hello$/);
      expect(answer).not.toMatch(CLOSE);
      return answer.includes(`x-generation: ${generation}`);
    });
  }
}

/** Milliseconds that the strict server gives a request. */
const LIMIT = 1_500;
/** The answer of `/large`. */
const LARGE = 16 * 1024 * 1024;
const CLOSE = /^connection: close\r$/im;

/** The head of the last answer in a text that holds several, as it stands or as a client without bodies sees it. */
function lastHead(text: string): string {
  return text.slice(text.lastIndexOf('HTTP/1.1 ')).split('\r\n\r\n', 1)[0] as string;
}

const GET = (target: string, ...headers: string[]) =>
  [`GET ${target} HTTP/1.1`, 'Host: localhost', ...headers, '', ''].join('\r\n');
const POST = (target: string, ...headers: string[]) => GET(target, ...headers).replace('GET', 'POST');

/** A text in two pieces. */
const halves = (text: string) => [text.slice(0, text.length / 2), text.slice(text.length / 2)] as const;

/** Waits for the last byte of an answer with so large a body, and returns its head. */
async function wholeAnswer(client: RawClient, length: number): Promise<string> {
  const bodyAt = () => client.text.indexOf('\r\n\r\n') + 4;
  await until(() => bodyAt() > 3 && client.text.length - bodyAt() === length);
  const head = client.text.slice(0, bodyAt());
  client.text = '';
  return head;
}

interface Corner {
  name: string;
  run(scene: Scene): Promise<void>;
}

const CORNERS: Corner[] = [
  {
    name: 'two pipelined requests, the drain while the first is answered',
    async run(scene) {
      const client = scene.client().get('/slow?after=100', '/slow?after=150');
      await scene.arrived(client);
      await scene.drain();
      const answers = await client.receive(/slow[\s\S]*slow$/);
      expect(answers.match(/x-generation: 0/g)).toHaveLength(2);
      expect(answers.match(/connection: close/gi) ?? []).toHaveLength(scene.ending.moves ? 0 : 1);
      await scene.isLast(client, answers);
    },
  },
  {
    name: 'a request pipelined in the drain behind one that is being answered',
    async run(scene) {
      const client = scene.client().get('/slow?after=200');
      await scene.arrived(client);
      await scene.drain();
      client.get('/');
      const answers = await client.receive(/slow[\s\S]*hello$/);
      expect(answers.match(/x-generation: 0/g)).toHaveLength(2);
      await scene.isLast(client, answers);
    },
  },
  {
    name: 'a request pipelined in the drain behind a streamed answer',
    async run(scene) {
      const client = scene.client().get('/streamed?after=200');
      await client.receive(/begun/);
      await scene.drain();
      client.get('/');
      await scene.isLast(client, await client.receive(/done[\s\S]*hello$/));
    },
  },
  {
    name: 'pipelined requests that come in one piece into an idle connection',
    async run(scene) {
      const clients = await Promise.all(Array.from({ length: 5 }, () => scene.idle()));
      await scene.drain();
      for (const client of clients) client.get('/', '/slow?after=20', '/');
      for (const client of clients)
        await scene.isLast(client, await client.receive(/hello[\s\S]*slow[\s\S]*hello$/));
    },
  },
  {
    name: 'a request that comes behind an answer that has said close is not run',
    async run(scene) {
      const client = await scene.idle();
      const runs = scene.counter(client);
      await scene.drain();
      client.get('/streamed?after=100');
      const head = await client.receive(/begun/);
      client.get('/poll');
      expect(await client.receive(/done\r\n0\r\n\r\n$/)).not.toContain('HTTP/1.1');
      if (scene.ending.moves) {
        // The program's line about the second request may arrive after the first response.
        await until(() => runs() === 3);
        client.socket.destroy();
      } else {
        await scene.isLast(client, head);
        expect(runs()).toBe(2);
      }
    },
  },
  {
    name: 'half a request line',
    async run(scene) {
      const client = scene.client().send('GET /slo');
      await scene.arrived(client);
      await scene.drain();
      client.send('w HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await scene.isLast(client, await client.receive(/slow$/));
    },
  },
  {
    name: 'half a request head',
    async run(scene) {
      const [head, rest] = halves(GET('/', 'X-Long: value'));
      const client = scene.client().send(head);
      await scene.arrived(client);
      await scene.drain();
      client.send(rest);
      const answer = await client.receive(/hello$/);
      expect(answer).toMatch(/x-generation: 0/i);
      await scene.isLast(client, answer);
    },
  },
  {
    name: 'half a request head on a connection that was used before',
    async run(scene) {
      const [head, rest] = halves(GET('/', 'X-Long: value'));
      const client = (await scene.idle()).send(head);
      await scene.arrived(client);
      await scene.drain();
      client.send(rest);
      await scene.isLast(client, await client.receive(/hello$/));
    },
  },
  {
    name: 'a request head whose bytes come one by one',
    async run(scene) {
      const client = scene.client();
      const drip = setInterval(() => client.send('x'), 10);
      for (const byte of GET('/', 'X-Long: x').trimEnd()) client.send(byte);
      await scene.drain();
      clearInterval(drip);
      client.send('\r\n\r\n');
      await scene.isLast(client, await client.receive(/hello$/));
    },
  },
  {
    name: 'half a body of known length',
    async run(scene) {
      const client = scene.client().send(`${POST('/upload', 'Content-Length: 10')}01234`);
      await scene.arrived(client);
      await scene.drain();
      client.send('56789');
      await scene.isLast(client, await client.receive(/10 bytes, sum none$/));
    },
  },
  {
    name: 'half a chunked body, and its trailers',
    async run(scene) {
      const client = scene
        .client()
        .send(`${POST('/upload', 'Transfer-Encoding: chunked', 'Trailer: X-Sum')}5\r\n01234\r\n5\r\n56`);
      await scene.arrived(client);
      await scene.drain();
      client.send('789\r\n0\r\nX-S').send('um: 45\r\n\r\n');
      await scene.isLast(client, await client.receive(/10 bytes, sum 45$/));
    },
  },
  {
    name: 'large uploads that go on arriving',
    async run(scene) {
      const part = 'x'.repeat(128 * 1024);
      const length = 200 * part.length;
      const sized = scene.client().send(POST('/upload', `Content-Length: ${length}`));
      const chunked = scene.client().send(POST('/upload', 'Transfer-Encoding: chunked'));
      await scene.arrived(sized, chunked);
      let drains = false;
      const drained = scene.drain().then(() => {
        drains = true;
      });
      // As slow as it must be, and then as fast as it can be.
      for (let sent = 0; sent < length; sent += part.length) {
        sized.send(part);
        chunked.send(`${part.length.toString(16)}\r\n${part}\r\n`);
        await sleep(drains ? 1 : 20);
      }
      chunked.send('0\r\n\r\n');
      await drained;
      for (const client of [sized, chunked])
        await scene.isLast(client, await client.receive(new RegExp(`${length} bytes, sum none$`)));
    },
  },
  ...(['plain', 'checking'] as const).flatMap((kind): Corner[] => {
    const checked = kind === 'checking' ? ', checked by the application' : '';
    return [
      {
        name: `Expect: 100-continue, the drain between the interim answer and the body${checked}`,
        async run(scene) {
          const client = scene
            .client(kind)
            .send(POST('/upload', 'Content-Length: 10', 'Expect: 100-continue'));
          expect(await client.receive(/\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
          await scene.drain();
          client.send('0123456789');
          await scene.isLast(client, await client.receive(/10 bytes, sum none$/));
        },
      },
      {
        name: `Expect: 100-continue on an idle connection${checked}`,
        async run(scene) {
          const client = await scene.idle(kind);
          await scene.drain();
          client.send(POST('/upload', 'Content-Length: 10', 'Expect: 100-continue'));
          expect(await client.receive(/\r\n\r\n/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
          client.send('0123456789');
          await scene.isLast(client, await client.receive(/10 bytes, sum none$/));
        },
      },
    ];
  }),
  {
    name: 'a large upload that is answered without being read',
    async run(scene) {
      const client = scene.client().send(POST('/unread?after=100', `Content-Length: ${100_000_000}`));
      await scene.arrived(client);
      const chunk = 'x'.repeat(64 * 1024);
      const upload = setInterval(() => client.socket.writable && client.send(chunk), 5);
      client.socket.once('end', () => client.socket.end()).once('close', () => clearInterval(upload));
      await scene.drain();
      expect(await wholeAnswer(client, 2_000_000)).toMatch(/^HTTP\/1\.1 413 /);
      clearInterval(upload);
      if (scene.ending.moves) client.socket.end();
      await client.closed;
      expect(client.error).toBeUndefined();
    },
  },
  {
    name: 'a streamed answer',
    async run(scene) {
      const client = scene.client().get('/streamed?after=100');
      const head = await client.receive(/begun/);
      await scene.drain();
      expect(await client.receive(/done/)).toMatch(/^4\r\ndone\r\n0\r\n\r\n$/);
      await scene.isLastButOne(client, head);
    },
  },
  {
    name: 'a streamed answer with trailers',
    async run(scene) {
      const client = scene.client().get('/trailed?after=100');
      const head = await client.receive(/body/);
      await scene.drain();
      expect(await client.receive(/x-sum/)).toBe('0\r\nx-sum: 4\r\n\r\n');
      await scene.isLastButOne(client, head);
    },
  },
  {
    name: 'an event stream that ends with endless.signal',
    async run(scene) {
      const client = scene.client().get('/events');
      const head = await client.receive(/data: tick\n\n/);
      await scene.drain();
      expect(await client.receive(/bye/)).toMatch(/data: bye\n\n\r\n0\r\n\r\n$/);
      await scene.isLastButOne(client, head);
    },
  },
  {
    name: 'a long poll that ends with endless.signal',
    async run(scene) {
      const client = scene.client().get('/poll');
      await scene.arrived(client);
      await scene.drain();
      const answer = await client.receive(/nothing yet$/);
      expect(answer).toMatch(/x-generation: 0/i);
      // In a stop the signal comes first and the drain after it.
      if (!scene.ending.moves && CLOSE.test(answer)) await scene.isLast(client, answer);
      else await scene.isLastButOne(client, answer);
    },
  },
  ...(['HEAD /', 'GET /204', 'GET /304'] as const).map(
    (line): Corner => ({
      name: `${line}, in flight and on an idle connection`,
      async run(scene) {
        const request = (query: string) => `${line}${query} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
        const idle = await scene.idle();
        const busy = scene
          .client()
          .send(line.startsWith('HEAD') ? request('slow?after=100') : request('?after=100'));
        await scene.arrived(busy);
        await scene.drain();
        idle.send(request(''));
        for (const client of [idle, busy]) {
          const answer = await client.receive(/\r\n\r\n$/);
          expect(answer.match(/HTTP\/1\.1 /g)).toHaveLength(1);
          if (scene.ending.moves) await scene.isLast(client, answer);
          else {
            expect(answer).toMatch(CLOSE);
            await client.closed;
            expect(client.error).toBeUndefined();
          }
        }
      },
    }),
  ),
  ...['object', 'pairs', 'flat', 'set'].map(
    (form): Corner => ({
      name: `Connection: keep-alive from a proxy's upstream (${form}), in flight and on an idle connection`,
      async run(scene) {
        const idle = await scene.idle();
        const busy = scene.client().get(`/proxied-${form}?after=100`);
        await scene.arrived(busy);
        await scene.drain();
        idle.get(`/proxied-${form}`);
        for (const client of [idle, busy]) await scene.isLast(client, await client.receive(/done$/));
      },
    }),
  ),
  {
    name: 'a CONNECT tunnel lives on until it ends',
    async run(scene) {
      const client = scene.client().send('CONNECT example:1 HTTP/1.1\r\nHost: example:1\r\n\r\n');
      await client.receive(/200 Connected/);
      await scene.drain();
      await client.send('through the tunnel').receive(/^through the tunnel$/);
      await sleep(SETTINGS.idleGrace + 300);
      await client.send('still').receive(/^still$/);
      client.socket.end();
      await client.closed;
      expect(client.error).toBeUndefined();
    },
  },
  {
    name: 'CONNECT on an idle connection',
    async run(scene) {
      const client = await scene.idle();
      await scene.drain();
      client.send('CONNECT example:1 HTTP/1.1\r\nHost: example:1\r\n\r\n');
      await client.receive(new RegExp(`200 Connected[\\s\\S]*x-generation: ${scene.ending.moves ? 1 : 0}`));
      await client.send('through the tunnel').receive(/^through the tunnel$/);
      client.socket.end();
      await client.closed;
    },
  },
  {
    name: 'a connection that has never sent a byte, and then does',
    async run(scene) {
      const client = scene.client();
      await scene.arrived(client);
      await scene.drain();
      await sleep(200);
      await scene.isLast(client, await client.get('/').receive(/hello$/));
    },
  },
  {
    name: 'a connection that never sends a byte',
    async run(scene) {
      const client = scene.client();
      await scene.arrived(client);
      await scene.drain();
      if (scene.ending.moves) await scene.servedBy(client, 1);
      else expect(await client.closed).toBe('');
    },
  },
  {
    // Node ends every connection of HTTP/1.0 after one answer, also where the client asks to keep it.
    name: 'HTTP/1.0, in flight and on a connection that has not spoken yet',
    async run(scene) {
      const request = (target: string) => `GET ${target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`;
      const silent = scene.client();
      const busy = scene.client().send(request('/slow?after=100'));
      await scene.arrived(silent, busy);
      await scene.drain();
      await sleep(100);
      silent.send(request('/slow'));
      for (const client of [silent, busy]) {
        const answer = await client.closed;
        expect(answer).toMatch(CLOSE);
        expect(answer).toMatch(/\r\n\r\nslow$/);
        expect(client.error).toBeUndefined();
      }
      expect(busy.text).toMatch(/x-generation: 0/i);
      expect(silent.text).toMatch(new RegExp(`x-generation: ${scene.ending.moves ? 1 : 0}`, 'i'));
    },
  },
  {
    name: 'a slow reader with a full send buffer',
    async run(scene) {
      const client = scene.client().get('/large');
      client.socket.pause();
      await scene.arrived(client);
      await scene.drain();
      await sleep(500);
      client.socket.resume();
      await scene.isLastButOne(client, await wholeAnswer(client, LARGE));
    },
  },
  {
    name: 'a slow reader on an idle connection',
    async run(scene) {
      const client = await scene.idle();
      await scene.drain();
      client.get('/large').socket.pause();
      await sleep(500);
      client.socket.resume();
      await scene.isLast(client, await wholeAnswer(client, LARGE));
    },
  },
  ...[
    ['a head', 'GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: '],
    ['a body', POST('/upload', 'Content-Length: 1000')],
  ].map(
    ([what, bytes = '']): Corner => ({
      name: `${what} that comes too slowly meets the limit that Node sets`,
      async run(scene) {
        const client = scene.client('strict');
        const began = performance.now();
        // It begins no earlier, in the same process: what comes before its answer has come in time.
        const later = scene.client();
        const drip = setInterval(() => client.socket.writable && client.send('x'), 100);
        client.socket.once('close', () => clearInterval(drip));
        client.send(bytes);
        const late = later.get(`/timed?ms=${LIMIT + 500}`).receive(/late$/);
        await scene.drain();
        const first = await Promise.race([client.closed, late]);
        expect(first).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
        expect(performance.now() - began).toBeGreaterThanOrEqual(LIMIT);
        await late;
      },
    }),
  ),
  {
    name: 'what is no HTTP',
    async run(scene) {
      const client = await scene.idle();
      await scene.drain();
      client.send('no HTTP\r\n\r\n');
      expect(await client.closed).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
    },
  },
  {
    name: 'a client that goes away',
    async run(scene) {
      const clients = ['/never', '/streamed?after=60000', '/large'].map((target) =>
        scene.client().get(target),
      );
      clients.push(scene.client().send(`${POST('/upload', 'Content-Length: 10')}01234`));
      for (const client of clients) client.socket.pause();
      await scene.arrived(...clients);
      await scene.drain();
      for (const client of clients) client.socket.destroy();
    },
  },
];

/** Every corner of HTTP/1.1 at once, in every kind of drain, on this Node.js or on another. */
export function http1Corners(node: string, endings: readonly Ending[]): void {
  for (const ending of endings)
    test(`no corner case loses a request in ${ending.name}`, async () => {
      const ports = { checking: await freePort(), strict: await freePort() };
      const served = await serve(
        'corners.mjs',
        { ...SETTINGS, migrate: ending.moves, rollbackWindow: ending.rollbackWindow },
        {
          node,
          env: { CHECKING_PORT: `${ports.checking}`, STRICT_PORT: `${ports.strict}`, LIMIT: `${LIMIT}` },
        },
      );
      const { program, port } = served;

      const begin = async () => {
        if (ending.restarts) await hup(program);
        else program.signal('SIGTERM');
        if (ending.rollbackWindow === 0) await program.waitFor('Listener closed.');
      };
      const barrier = new Barrier(CORNERS.length, begin);
      const faults: Record<string, unknown> = {};
      await Promise.all(
        CORNERS.map(async ({ name, run }) => {
          const pass = barrier.ticket();
          try {
            await run(new Scene(served, { ...ports, plain: port }, ending, pass));
          } catch (error) {
            faults[name] = error;
          }
          // A corner that failed earlier keeps no other waiting.
          void pass();
        }),
      );
      expect(faults).toEqual({});

      await program.waitForPids(ending.restarts ? 1 : 0, 5_000);
      expect(await program.exited).toEqual({ code: 0, signal: null });
      expect(program.stderr).not.toMatch(/hammer/i);
    });
}

/** Does something once as many as there are tickets have asked for it. */
class Barrier {
  #missing: number;
  readonly #done: Promise<void>;
  #open = () => {};

  constructor(count: number, action: () => Promise<void>) {
    this.#missing = count;
    this.#done = new Promise<void>((resolve) => {
      this.#open = resolve;
    }).then(action);
  }

  /** Asks, as often as one likes, and resolves when it is done. */
  ticket(): () => Promise<void> {
    let asked = false;
    return () => {
      if (!asked) this.#missing -= 1;
      asked = true;
      if (this.#missing === 0) this.#open();
      return this.#done;
    };
  }
}
