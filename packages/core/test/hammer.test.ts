import { setTimeout as sleep } from 'node:timers/promises';
import { describe, rowTest, test } from '@endless/conformance';
import { get, testedNodes } from '@endless/testkit';
import { expect } from 'vitest';
import { open } from './connection.js';
import { FrameClient } from './http2-frames.js';
import { hup, RawClient } from './program.js';
import { openTls, type Secure, serveSecure } from './secure.js';

const HAMMER_TIME = 600;

interface Hammered {
  requests: { method: string; path: string; ageMs: number }[];
  connections: Record<string, number>;
}

for (const { version, path: node } of testedNodes())
  describe(`a deadline force-closes and lists what never ends, on Node ${version}`, () => {
    rowTest('after a restart', async () => {
      const served = await stuck(node);
      await hup(served.program);
      // The time to the deadline began when the successor accepted, a moment ago.
      const began = performance.now();
      expect(await served.program.exited).toEqual({ code: 0, signal: null });
      expect(performance.now() - began).toBeGreaterThan(HAMMER_TIME - 200);
      expect(performance.now() - began).toBeLessThan(HAMMER_TIME + 250);
      await expectReport(served);
    });

    rowTest('after a SIGTERM, with status 1', async () => {
      const served = await stuck(node);
      served.program.signal('SIGTERM');
      const began = performance.now();
      expect(await served.program.exited).toEqual({ code: 1, signal: null });
      expect(performance.now() - began).toBeGreaterThan(HAMMER_TIME - 5);
      expect(performance.now() - began).toBeLessThan(HAMMER_TIME + 250);
      await expectReport(served);
    });
  });

test('`shutdown()` resolves with how much of it there was', async () => {
  const served = await stuck();
  await get({ port: served.ports.http, path: '/shutdown' });
  const [, result] = await served.program.waitFor(/shutdown (.*)/);
  const { forced, durationMs } = JSON.parse(result as string);
  expect(forced).toEqual({ requests: 3, connections: 7 });
  expect(durationMs).toBeGreaterThanOrEqual(HAMMER_TIME);
  expect(durationMs).toBeLessThan(HAMMER_TIME + 250);
  await expectReport(served);
  // The program goes on without a connection, also of those whose handshake has stopped: nothing keeps it alive.
  expect(await served.program.exited).toEqual({ code: 0, signal: null });
});

test('the log shows the text of a client as one short line of plain text, without its credentials', async () => {
  const { ports, program } = await serveSecure({ hammerTime: HAMMER_TIME });
  const hostile = [
    'http://user:secret@localhost/never?token=secret',
    '//user:kept@localhost/never',
    `/never/${'x'.repeat(14_000)}`,
  ];
  for (const target of hostile) new RawClient(ports.http).get(target);
  // HTTP/1.1 refuses these characters, HTTP/2 takes them: one that begins terminal commands, and a line end to some readers.
  new FrameClient(await open(ports.h2c)).get(1, '/never\u009b31m\u0085forged');
  await program.waitFor(/(ran [\s\S]*){4}/);
  program.signal('SIGTERM');
  expect((await program.exited).code).toBe(1);

  const [, text] = await program.waitFor(new RegExp(`hammered ${program.pid} (.*)`));
  const paths = (JSON.parse(text as string) as Hammered).requests.map(({ path }) => path);
  const expected = ['/never', '//user:kept@localhost/never', hostile[2], '/never%9B31m%85forged'];
  expect(paths.sort()).toEqual(expected.sort());
  const [line] = await program.waitFor(/Force-closed: 4 requests .*/, { from: 'stderr' });
  expect(line).toContain('GET /never%9B31m%85forged after ');
  expect(line).toContain('GET //user:kept@localhost/never after ');
  expect(line).toMatch(/GET \/never\/x{90,110}\.\.\. after \d+ ms/);
  expect(line).not.toMatch(/[^\x20-\x7e]/);
  expect(line?.length).toBeLessThan(500);
  expect(program.stderr).not.toMatch(/secret|\u009b|\u0085/);
});

/** A program with a stuck request, a stuck stream of HTTP/2 over TLS and in the clear, an upgraded socket, and handshakes that stop. */
async function stuck(node?: string): Promise<Secure> {
  const served = await serveSecure({ hammerTime: HAMMER_TIME }, node);
  const { ports, program } = served;
  new RawClient(ports.http).get('/never?token=secret');
  const upgraded = new RawClient(ports.http);
  upgraded.send('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: stuck\r\n\r\n');
  await upgraded.receive(/101 Switching Protocols/);
  for (const socket of [await openTls(ports.h2, { ALPNProtocols: ['h2'] }), await open(ports.h2c)])
    new FrameClient(socket).get(1, '/never?token=secret');
  await open(ports.https);
  for (const port of [ports.https, ports.h2]) (await open(port)).write(HALF_A_HELLO);
  await program.waitFor(/(ran \/never\n[\s\S]*){3}/);
  await sleep(100);
  return served;
}

/** The beginning of a TLS record that holds a ClientHello of 512 bytes. */
const HALF_A_HELLO = Buffer.from('1603010200010001fc0303', 'hex');

async function expectReport({ program }: Secure): Promise<void> {
  const [, text] = await program.waitFor(new RegExp(`hammered ${program.pid} (.*)`));
  const { requests, connections } = JSON.parse(text as string) as Hammered;
  expect(requests.map(({ method, path }) => `${method} ${path}`)).toEqual(Array(3).fill('GET /never'));
  // A request from before the drain counts from the beginning of the drain.
  for (const { ageMs } of requests) {
    expect(ageMs).toBeGreaterThan(HAMMER_TIME - 200);
    expect(ageMs).toBeLessThan(HAMMER_TIME + 250);
  }
  expect(connections).toEqual({ active: 1, upgraded: 1, http2: 2, handshake: 3 });
  expect(program.stderr).toMatch(
    /Force-closed: 3 requests \((GET \/never after \d+ ms(, )?){3}\); connections: 1 active, 1 upgraded, /,
  );
  expect(program.output).not.toContain('secret');
}
