import { once } from 'node:events';
import { nodeBinaries } from '@endless/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { hup, serve, until } from './program.js';

/** A client that has said what is to be done after its connection has moved. */
async function open(port: number, what: string) {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  onTestFinished(() => ws.terminate());
  const heard: Buffer[] = [];
  const codes: number[] = [];
  ws.on('message', (data: Buffer) => void heard.push(data));
  ws.on('close', (code) => void codes.push(code));
  ws.on('error', () => {});
  await once(ws, 'open');
  ws.send(what);
  await until(() => heard.length > 0);
  return { ws, heard, codes };
}

describe.each(nodeBinaries())('on Node $version', ({ path: node }) => {
  test('arguments for which ws throws also throw on a moved object, and both processes live', async () => {
    const { program, port } = await serve('moved.mjs', {}, { node });
    const client = await open(port, 'throws');
    await hup(program);
    const [, there = ''] = await program.waitFor(/moved 0 (.*)/);
    const [, here = ''] = /here 0 (.*)/.exec(program.stdout) ?? [];
    expect(JSON.parse(there)).toEqual(JSON.parse(here));
    await until(() => client.heard.some((data) => String(data) === 'last'));
    client.ws.send('hello');
    await until(() => client.heard.some((data) => String(data) === 'hello 1'));
    expect(client.codes).toEqual([]);
  });

  test('a flood that waits for nothing is bounded: the connection is closed with 1013', async () => {
    const { program, port } = await serve('moved.mjs', {}, { node });
    const client = await open(port, 'flood');
    client.ws.pause();
    await hup(program);
    await program.waitFor(/pumped 0 .*"state":2/, { timeout: 60_000 });
    const [, made = ''] = /"made":(\d+),"buffered":\d+,"state":2/.exec(program.stdout) ?? [];
    // 64 MiB, one more, and what the kernel had taken.
    expect(Number(made) * 64 * 1024).toBeLessThan(96 * 1024 * 1024);
    client.ws.resume();
    await until(() => client.codes.length === 1, 30_000);
    expect(client.codes).toEqual([1013]);
  });
});
