import { type LoadOptions, nodeBinaries, startHttp2Load, startLoad } from '@endless/testkit';
import { describe, expect, test } from 'vitest';
import { hup, until } from './program.js';
import { type Secure, serveSecure } from './secure.js';

const RESTARTS = 10;
const MEGABYTE = 2 ** 20;

/** Restarts so many times, each once the newest process has answered. */
async function restart({ program }: Secure, answers: ReadonlyMap<string, number>): Promise<void> {
  for (let restarts = 0, pid = program.pid; restarts < RESTARTS; restarts += 1) {
    await until(() => answers.has(String(restarts)));
    pid = await hup(program, pid);
  }
  await until(() => answers.has(String(RESTARTS)));
}

for (const { version, path: node } of nodeBinaries())
  describe(`${RESTARTS} restarts lose nothing on Node ${version}`, () => {
    const strict: Record<string, (ports: Secure['ports']) => LoadOptions> = {
      'of https on kept-alive connections': ({ https: port }) => ({
        port,
        tls: { rejectUnauthorized: false },
        connections: 20,
        mode: 'keep-alive',
      }),
      'of https on new connections': ({ https: port }) => ({
        port,
        tls: { rejectUnauthorized: false },
        connections: 10,
        mode: 'new-connection',
      }),
      'of uploads of 1 MB': ({ http: port }) => ({
        port,
        connections: 8,
        mode: 'keep-alive',
        request: () => ({ method: 'POST', target: '/upload', body: Buffer.alloc(MEGABYTE, 'x') }),
        check: ({ body }) => (body.toString() === `${MEGABYTE}` ? undefined : `${body} bytes arrived`),
      }),
      'of uploads of 1 MB over https': ({ https: port }) => ({
        port,
        tls: { rejectUnauthorized: false },
        connections: 8,
        mode: 'keep-alive',
        request: () => ({ method: 'POST', target: '/upload', body: Buffer.alloc(MEGABYTE, 'x') }),
        check: ({ body }) => (body.toString() === `${MEGABYTE}` ? undefined : `${body} bytes arrived`),
      }),
    };
    for (const [what, options] of Object.entries(strict))
      test(what, async () => {
        const served = await serveSecure({ idleGrace: 500, maxDraining: RESTARTS }, node);
        const load = startLoad(options(served.ports));
        await restart(served, load.answers);
        const { lost } = await load.stop();
        expect(lost).toEqual([]);
        await served.program.waitForPids(1);
      });

    for (const [kind, url] of [
      ['over TLS', ({ h2 }: Secure['ports']) => `https://localhost:${h2}`],
      ['in the clear', ({ h2c }: Secure['ports']) => `http://127.0.0.1:${h2c}`],
    ] as const)
      test(`of HTTP/2 ${kind} with 100 streams at once, of a client that sends again what has not been run`, async () => {
        const served = await serveSecure({ idleGrace: 500, maxDraining: RESTARTS }, node);
        const load = startHttp2Load({ url: url(served.ports), streams: 100 });
        await restart(served, load.answers);
        const { lost, answered, retried, sessions } = await load.stop();
        console.log(
          `Node ${version}, HTTP/2 ${kind}: ${answered} answered, ${retried} sent again, ${sessions} sessions`,
        );
        expect(lost).toEqual([]);
        await served.program.waitForPids(1);
      });
  });
