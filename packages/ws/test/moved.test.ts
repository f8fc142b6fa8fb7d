import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, longTest, rowsOf, rowTest, test } from '@endless/conformance';
import { expect, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { getJson, hup, type Served, serve, until } from './program.js';

const CHUNK = 64 * 1024;
/** More than what the kernel holds for two sockets, and much less than what a pump makes in the time of a test. */
const MOST_WAITING = 24 * 1024 * 1024;

/** A client, with the texts and the numbers of the chunks that have come. */
async function open(port: number) {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  onTestFinished(() => ws.terminate());
  const texts: string[] = [];
  const numbers: number[] = [];
  const codes: number[] = [];
  let pings = 0;
  ws.on('message', (data: Buffer) => {
    if (data.length === CHUNK) numbers.push(Number(String(data.subarray(0, 16)).split(' ')[0]));
    else texts.push(String(data));
  });
  ws.on('ping', () => {
    pings += 1;
  });
  ws.on('close', (code) => void codes.push(code));
  ws.on('error', () => {});
  await once(ws, 'open');
  return { ws, texts, numbers, codes, pings: () => pings };
}

/** A client that has said what is to be done after its connection has moved, and whose connection has moved. */
async function moved(what: string, options?: Parameters<typeof serve>[2], settings: object = {}) {
  const { program, port } = await serve('moved.mjs', settings, options);
  const client = await open(port);
  client.ws.send(what);
  await until(() => client.texts.includes(`will ${what}`));
  return { program, port, client };
}

/** What the old process says that it has made, and what waits, in the last line of its report. */
function lastReport(stdout: string) {
  const [, json = '{}'] = [...stdout.matchAll(/pumped 0 (.*)/g)].at(-1) ?? [];
  return JSON.parse(json) as { made: number; buffered: number; state: number };
}

/** How many chunks were made when no other was made for half a second. */
async function stallOf(program: Served['program'], { numbers }: { numbers: number[] }): Promise<number> {
  let made = -1;
  for (let same = 0; same < 5; ) {
    await sleep(100);
    const { made: now } = lastReport(program.stdout);
    same = now === made ? same + 1 : 0;
    made = now;
    expect((made - numbers.length) * CHUNK).toBeLessThan(MOST_WAITING);
  }
  return made;
}

test.each([
  ['ws', {}],
  ['ws-oldest', { env: { WS: 'ws-oldest' } }],
])(
  'arguments for which %s throws also throw on an object whose connection has moved',
  async (name, options) => {
    const { program, port, client } = await moved('throws', options);
    await hup(program);
    const [, there = ''] = await program.waitFor(/moved 0 (.*)/);
    expect(Object.values(JSON.parse(there))).not.toContain('none');
    const [, here] = /here 0 (.*)/.exec(program.stdout) ?? [];
    if (name === 'ws') expect(JSON.parse(there)).toEqual(JSON.parse(here ?? ''));
    await until(() => client.texts.includes('last'));
    expect(client.texts.slice(1)).toEqual(['still here', '7', 'abcd', '', 'last']);
    expect(client.pings()).toBe(1);
    // The new process is alive, and so is the connection.
    client.ws.send('hello');
    await until(() => client.texts.includes('hello 1'));
    expect((await getJson<{ generation: number }>(port, '/')).generation).toBe(1);
    expect(client.codes).toEqual([]);
  },
);

describe('a client that stops reading once its connection has moved', () => {
  rowTest.each(rowsOf(['pump', 'stream'], (how) => how === 'pump'))(
    'stalls what is sent to it by a %s, and loses nothing of it',
    async (what) => {
      const { program, port, client } = await moved(what);
      await hup(program);
      await until(() => client.numbers.length > 20, 10_000);
      client.ws.pause();
      const before = (await getJson<{ rss: number }>(port, '/')).rss;
      const made = await stallOf(program, client);
      expect(lastReport(program.stdout).buffered).toBeGreaterThan(0);
      expect((await getJson<{ rss: number }>(port, '/')).rss - before).toBeLessThan(MOST_WAITING);
      client.ws.resume();
      await until(() => client.numbers.length > made + 20, 10_000);
      expect(client.numbers).toEqual(client.numbers.map((_, at) => at));
    },
  );
});

describe('an object whose connection has moved', () => {
  test("emits 'close' when the connection ends in its new process, over two restarts", async () => {
    const { program, client } = await moved('end');
    const pid = await hup(program);
    await until(() => client.texts.includes('now'));
    await program.waitFor('sent 0 "yes"');
    await hup(program, pid);
    await until(() => {
      client.ws.send('hello');
      return client.texts.includes('hello 2');
    });
    client.ws.terminate();
    await program.waitFor('state 0 3');
    await program.waitFor('close 0 {"code":1006,"state":3}');
    await program.waitFor('late 0 "WebSocket is not open: readyState 3 (CLOSED)"');
    expect(program.stdout.match(/gone/g)).toHaveLength(1);
    expect(program.stdout).toContain('gone 2 3');
  });

  longTest("emits 'close' too when the process that serves it is killed", async () => {
    const { program, client } = await moved('end');
    const pid = await hup(program);
    await until(() => client.texts.includes('now'));
    program.signal('SIGKILL', pid);
    await program.waitFor('state 0 3');
    await program.waitFor('close 0 {"code":1006,"state":3}');
  });

  test('is closing as soon as the program closes it, and sends nothing more', async () => {
    const { program, client } = await moved('close');
    await hup(program);
    await until(() => client.codes.length === 1);
    expect(client.codes).toEqual([4000]);
    await program.waitFor('state 0 2');
    await program.waitFor('late 0 "WebSocket is not open: readyState 2 (CLOSING)"');
    await program.waitFor('close 0 {"code":1006,"state":3}');
    expect(client.texts).toEqual(['will close']);
  });
});
