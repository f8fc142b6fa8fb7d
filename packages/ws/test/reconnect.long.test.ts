import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { hup, serve, until } from './program.js';

/** A client that numbers its messages, waits for each to come back, and on 1012 comes back itself with what is not acknowledged. */
class Returning {
  readonly codes: number[] = [];
  readonly acknowledged: number[] = [];
  next = 0;
  over = false;

  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async run(): Promise<void> {
    while (!this.over) {
      const ws = new WebSocket(this.#url, { rejectUnauthorized: false });
      ws.on('error', () => {});
      ws.on('message', (data) => this.acknowledged.push(Number(data)));
      const closed = once(ws, 'close');
      await Promise.race([once(ws, 'open'), closed]);
      let sent = this.acknowledged.length;
      // What was said on the connection before and not acknowledged is said again, also once it is over.
      while (ws.readyState === WebSocket.OPEN && !(this.over && sent >= this.next)) {
        ws.send(String(sent++));
        this.next = Math.max(this.next, sent);
        await sleep(2);
      }
      if (this.over) {
        await until(() => this.acknowledged.length >= this.next || ws.readyState !== WebSocket.OPEN);
        ws.terminate();
      }
      const [code] = await closed;
      if (!this.over) this.codes.push(code as number);
    }
  }
}

test.each([
  ['plain', 'ws', {}],
  ['over TLS', 'wss', { app: 'tls' }],
])(
  'echo with reconnect on 1012, %s, 10 restarts: nothing is lost between acknowledgement and close',
  async (_name, scheme, more) => {
    const { program, port } = await serve('apps.mjs', {
      settings: { migrate: false, rollbackWindow: 0 },
      options: { closeWithin: 100 },
      ...more,
    });
    const clients = Array.from({ length: 20 }, () => new Returning(`${scheme}://127.0.0.1:${port}/`));
    onTestFinished(() => {
      for (const client of clients) client.over = true;
    });
    const running = clients.map((client) => client.run());
    let pid = program.pid;
    for (let restart = 0; restart < 10; restart += 1) {
      await until(() => clients.every(({ codes }) => codes.length === restart), 10_000);
      const before = clients.map(({ acknowledged }) => acknowledged.length);
      await until(
        () => clients.every(({ acknowledged }, at) => acknowledged.length > (before[at] as number) + 3),
        10_000,
      );
      pid = await hup(program, pid);
    }
    await until(() => clients.every(({ codes }) => codes.length === 10), 10_000);
    for (const client of clients) client.over = true;
    await Promise.all(running);
    for (const { codes, acknowledged, next } of clients) {
      expect(codes).toEqual(Array(10).fill(1012));
      // In order, each once, to the last.
      expect(acknowledged).toEqual(Array.from({ length: next }, (_, number) => number));
    }
  },
);

test('Socket.IO is closed by its own means, and its clients come back by themselves', async () => {
  const { program, port } = await serve('socket-io.mjs');
  const clients = Array.from({ length: 5 }, () =>
    io(`http://127.0.0.1:${port}`, { transports: ['websocket'], reconnectionDelay: 50, forceNew: true }),
  );
  onTestFinished(() => {
    for (const client of clients) client.close();
  });
  const reasons: string[] = [];
  for (const client of clients) client.on('disconnect', (reason) => reasons.push(reason));
  await until(() => clients.every(({ connected }) => connected));
  for (const generation of [0, 1]) {
    const answers = await Promise.all(clients.map((client) => client.timeout(5_000).emitWithAck('hello')));
    expect(answers).toEqual(clients.map(() => generation));
    if (generation === 1) break;
    await hup(program);
    await program.waitForPids(1);
    await until(() => clients.every(({ connected }) => connected));
  }
  expect(reasons).toEqual(clients.map(() => 'transport close'));
});
