import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe, rowTest, test } from '@endless/conformance';
import { testedNodes } from '@endless/testkit';
import { expect, onTestFinished } from 'vitest';
import { open } from './connection.js';
import { FrameClient } from './http2-frames.js';
import { hup } from './program.js';
import { ENDINGS, exchange, openTls, serveSecure } from './secure.js';

const NOTICE = 'GOAWAY 2147483647 error 0';

for (const { version, path: node } of testedNodes())
  describe(`an HTTP/2 session on Node ${version}`, () => {
    for (const [ending, drain] of Object.entries(ENDINGS)) {
      rowTest(
        `in the clear gets in ${ending} a GOAWAY that refuses nothing, a PING, and once that is answered the last GOAWAY`,
        async () => {
          const served = await serveSecure({}, node);
          const client = new FrameClient(await open(served.ports.h2c));
          client.get(1, '/slow?after=400');
          await served.program.waitFor('ran /slow');
          await drain(served);
          const ping = await client.receive('PING');
          client.get(3, '/crossed');
          await client.receive('DATA', { stream: 3 });
          client.pong(ping);
          await client.receive('GOAWAY', { nth: 2 });
          client.get(5, '/late');
          await client.closed;
          expect(client.body(1)).toBe('HTTP/2.0 generation 0');
          expect(client.body(3)).toBe('HTTP/2.0 generation 0');
          // The order of the answers' ends does not matter.
          const words = shortened(client.story).filter((frame) => /^(GOAWAY|PING)/.test(frame));
          expect(words).toEqual([NOTICE, 'PING', 'GOAWAY 3 error 0']);
          expect(served.program.stdout).not.toContain('ran /late');
        },
      );

      rowTest(
        `over TLS gets the same in ${ending}, and streams opened in between are above the last one and never run`,
        async () => {
          const served = await serveSecure({}, node);
          const client = new FrameClient(await openTls(served.ports.h2, { ALPNProtocols: ['h2'] }));
          client.get(1, '/slow?after=400');
          await served.program.waitFor('ran /slow');
          await drain(served);
          const ping = await client.receive('PING');
          client.get(3, '/crossed');
          await sleep(50);
          client.pong(ping);
          await client.closed;
          expect(client.body(1)).toBe('HTTP/2.0 generation 0');
          expect(shortened(client.story)).toEqual([
            NOTICE,
            'PING',
            'GOAWAY 1 error 0',
            'HEADERS 1',
            'DATA 1 end',
          ]);
          expect(served.program.stdout).not.toContain('ran /crossed');
        },
      );
    }
  });

test('a session whose client answers no PING gets its last GOAWAY after a second', async () => {
  const served = await serveSecure();
  const client = new FrameClient(await open(served.ports.h2c));
  client.get(1, '/slow?after=1500');
  await served.program.waitFor('ran /slow');
  await ENDINGS['a restart'](served);
  await client.receive('GOAWAY');
  const began = performance.now();
  await client.receive('GOAWAY', { nth: 2 });
  expect(performance.now() - began).toBeGreaterThan(950);
  expect(performance.now() - began).toBeLessThan(1_250);
  await client.closed;
  expect(client.body(1)).toBe('HTTP/2.0 generation 0');
});

test('a session without a request so far may send its first one, which is served', async () => {
  const served = await serveSecure();
  const client = new FrameClient(await open(served.ports.h2c));
  await client.receive('SETTINGS');
  await ENDINGS['a restart'](served);
  await sleep(300);
  expect(client.story).toEqual([]);
  client.get(1, '/');
  client.pong(await client.receive('PING'));
  await client.closed;
  expect(client.body(1)).toBe('HTTP/2.0 generation 0');
});

test('a session without a request so far is left alone after a rollback', async () => {
  const served = await serveSecure({ rollbackWindow: 10_000 });
  const client = new FrameClient(await open(served.ports.h2c));
  await client.receive('SETTINGS');
  served.program.signal('SIGKILL', await hup(served.program));
  await served.program.waitFor('Rolled back');
  for (const stream of [1, 3]) {
    client.get(stream, '/');
    await client.receive('DATA', { stream });
  }
  expect(client.story.filter((frame) => /^(GOAWAY|PING)/.test(frame))).toEqual([]);
});

for (const [ending, drain] of Object.entries(ENDINGS))
  test(`an HTTP/1.1 client of an HTTP/2 server is told to close in ${ending}`, async () => {
    const served = await serveSecure();
    const socket = await openTls(served.ports.h2, { ALPNProtocols: ['http/1.1'] });
    expect(await exchange(socket)).toMatch(/^HTTP\/1\.1 200 [\s\S]*connection: keep-alive/i);
    await drain(served);
    expect(await exchange(socket)).toMatch(/x-generation: 0[\s\S]*connection: close/i);
    await served.program.waitForPids(ending === 'a restart' ? 1 : 0);
  });

test("Node's own client finishes its requests in flight, and goes on with a new session", async () => {
  const served = await serveSecure();
  const ask = (session: ReturnType<typeof connectHttp2>, target: string) =>
    new Promise<string>((resolve, reject) => {
      let body = '';
      const stream = session.request({ ':path': target });
      stream.setEncoding('utf8').on('data', (text) => {
        body += text;
      });
      stream.once('end', () => resolve(body)).once('error', reject);
    });
  const session = () => {
    const made = connectHttp2(`https://localhost:${served.ports.h2}`, { rejectUnauthorized: false });
    onTestFinished(() => made.destroy());
    return made;
  };
  const old = session();
  const slow = Array.from({ length: 100 }, () => ask(old, '/slow?after=300'));
  await served.program.waitFor(/(ran \/slow\n){100}/);
  await ENDINGS['a restart'](served);
  expect(await Promise.all(slow)).toEqual(Array(100).fill('HTTP/2.0 generation 0'));
  expect(await ask(session(), '/')).toBe('HTTP/2.0 generation 1');
  await served.program.waitForPids(1);
});

describe.skipIf(!existsSync('/usr/bin/curl'))('curl (needs curl)', () => {
  test('asks over HTTP/2 before, in and after a restart, and gets every answer', async () => {
    const served = await serveSecure();
    const url = (target: string) => `https://localhost:${served.ports.h2}${target}`;
    const targets = [...Array.from({ length: 200 }, () => '/'), '/slow?after=300', ...Array(200).fill('/')];
    const curl = promisify(execFile)(
      '/usr/bin/curl',
      [
        '-sS',
        '--fail',
        '--insecure',
        '--http2',
        '-w',
        ' HTTP/%{http_version} %{http_code}\n',
        ...targets.map(url),
      ],
      { timeout: 20_000 },
    );
    await served.program.waitFor('ran /slow');
    await ENDINGS['a restart'](served);
    const { stdout, stderr } = await curl;
    expect(stderr).toBe('');
    const answers = stdout.trimEnd().split('\n');
    expect(answers.slice(0, 201)).toEqual(Array(201).fill('HTTP/2.0 generation 0 HTTP/2 200'));
    expect(answers.slice(201)).toEqual(Array(200).fill('HTTP/2.0 generation 1 HTTP/2 200'));
    await served.program.waitForPids(1);
  });
});

/** The frames without repetitions: a body may come in pieces, and the last GOAWAY twice. */
function shortened(story: string[]): string[] {
  return story.filter((frame, at) => !/^DATA \d+$/.test(frame) && story.indexOf(frame) === at);
}
