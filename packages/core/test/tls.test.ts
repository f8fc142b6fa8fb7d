import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, rowTest } from '@endless/conformance';
import { startLoad, testedNodes } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { open } from './connection.js';
import { hup } from './program.js';
import { ENDINGS, exchange, openTls, serveSecure } from './secure.js';

for (const { version, path: node } of testedNodes())
  describe(`TLS on Node ${version}`, () => {
    for (const [ending, drain] of Object.entries(ENDINGS))
      rowTest(
        `a handshake that is under way when ${ending} begins is completed, and its request answered`,
        async () => {
          const served = await serveSecure({}, node);
          const { https, h2 } = served.ports;
          const held = await Promise.all(
            [https, h2].flatMap((port) =>
              (['TLSv1.2', 'TLSv1.3'] as const).map(async (maxVersion) => {
                const relay = await Relay.to(port);
                const opened = openTls(relay.port, { maxVersion });
                await relay.answered;
                return { relay, opened };
              }),
            ),
          );
          await drain(served);
          for (const { relay, opened } of held) {
            relay.release();
            expect(await exchange(await opened)).toMatch(/x-generation: 0[\s\S]*connection: close/i);
          }
          await served.program.waitForPids(ending === 'a restart' ? 1 : 0);
        },
      );

    rowTest(
      'a connection on which no handshake has begun may still begin one, and is closed in its idle grace if it does not',
      async () => {
        const served = await serveSecure({ idleGrace: 1_000 }, node);
        const { https, h2 } = served.ports;
        const silent = await Promise.all([open(https), open(h2)]);
        const late = await open(https);
        await sleep(100);
        served.program.signal('SIGTERM');
        await served.program.waitFor('Listener closed.');
        const began = performance.now();
        const socket = await openTls(https, { socket: late });
        expect(await exchange(socket)).toMatch(/connection: close/i);
        await Promise.all(silent.map((each) => once(each, 'close')));
        expect(performance.now() - began).toBeGreaterThan(450);
        expect(await served.program.exited).toEqual({ code: 0, signal: null });
        expect(performance.now() - began).toBeLessThan(1_400);
      },
    );

    rowTest('the new process loads renewed certificates, and the old one keeps its own', async () => {
      const served = await serveSecure({}, node);
      const { https, h2 } = served.ports;
      const subjects = () =>
        Promise.all([https, h2].map(async (port) => (await openTls(port)).getPeerCertificate().subject.CN));
      const before = await openTls(https);
      const first = await subjects();
      served.install('second');
      expect(await subjects()).toEqual(first);
      await hup(served.program);
      const second = await subjects();
      expect(new Set([...first, ...second]).size).toBe(2);
      expect(await exchange(before)).toMatch(/x-generation: 0/);
    });

    rowTest('http and https servers of one program are restarted together, under load', async () => {
      const { ports, program } = await serveSecure({ idleGrace: 500 }, node);
      const load = startLoad({ port: ports.http, connections: 4, mode: 'keep-alive' });
      let generations = 0;
      for (let pid = program.pid; generations < 3; generations += 1) {
        const socket = await openTls(ports.https);
        expect(await exchange(socket)).toMatch(new RegExp(`x-generation: ${generations}`));
        pid = await hup(program, pid);
        expect(await exchange(socket)).toMatch(
          new RegExp(`x-generation: ${generations}[\\s\\S]*connection: close`, 'i'),
        );
      }
      const { lost, answers } = await load.stop();
      expect(lost).toEqual([]);
      expect(answers.size).toBe(4);
    });
  });

/** Stands between a client and a server, and holds back the client's bytes after its first message. */
class Relay {
  readonly port: number;
  /** Resolves when the server has answered the first message. */
  readonly answered: Promise<unknown>;
  #release = () => {};

  /** Makes one to this port, for one connection. */
  static async to(target: number): Promise<Relay> {
    const server = createServer();
    await once(server.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void server.close());
    return new Relay(server, target);
  }

  private constructor(server: ReturnType<typeof createServer>, target: number) {
    this.port = (server.address() as { port: number }).port;
    this.answered = once(server, 'connection').then(async ([client]: Socket[]) => {
      const upstream = connect(target, '127.0.0.1');
      onTestFinished(() => {
        client?.destroy();
        upstream.destroy();
      });
      client?.on('error', () => {});
      upstream.on('error', () => {}).pipe(client as Socket);
      const [hello] = await once(client as Socket, 'data');
      client?.pause();
      upstream.write(hello);
      this.#release = () => client?.pipe(upstream);
      await once(upstream, 'data');
    });
  }

  /** Lets the rest through. */
  release(): void {
    this.#release();
  }
}
