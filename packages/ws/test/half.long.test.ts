import { expect, test } from 'vitest';
import { chat, connect, hup, lossesOf, serve, until } from './program.js';
import { frame, type StrictClient } from './strict-client.js';

const MB = 1024 * 1024;
const BINARY = 2;

/** Lets each client send so much of a message of that size, and returns what sends the rest. */
async function halves(clients: readonly StrictClient[], part: number, whole: number): Promise<() => void> {
  const bytes = frame(BINARY, Buffer.alloc(whole, 'half'), true);
  await Promise.all(
    clients.map(({ socket }) => new Promise((resolve) => socket.write(bytes.subarray(0, part), resolve))),
  );
  return () => {
    for (const { socket } of clients) socket.write(bytes.subarray(part));
  };
}

test('large half messages are closed with 1012, and none of the others is', async () => {
  const { program, port } = await serve('echo.mjs', { push: 0, options: { closeWithin: 500 } });
  const large = await connect(port, 8);
  const others = await connect(port, 100);
  await halves(large, 12 * MB, 13 * MB);
  const stop = chat(others, 20);
  await hup(program);
  await until(() => large.every(({ closeCode }) => closeCode !== undefined), 10_000);
  expect(new Set(large.map(({ closeCode }) => closeCode))).toEqual(new Set([1012]));
  stop();
  expect(await lossesOf(others)).toEqual([]);
  await program.waitForPids(1);
});

test('many half messages of some megabytes all move, however long that takes, and the others go first', async () => {
  const { program, port } = await serve('echo.mjs', { push: 0, options: { closeWithin: 100 } });
  const large = await connect(port, 8);
  const others = await connect(port, 100);
  const rest = await halves(large, 3.5 * MB, 3.6 * MB);
  const stop = chat(others, 20);
  await hup(program);
  await program.waitForPids(1, 20_000);
  stop();
  expect(await lossesOf(others)).toEqual([]);
  expect(large.flatMap(({ losses }) => losses)).toEqual([]);
  // Each comes back whole, from the new process.
  let echoes = 0;
  for (const { socket } of large) {
    let bytes = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes >= 3.6 * MB) echoes += 1;
    });
  }
  rest();
  await until(() => echoes >= large.length, 10_000);
});

test('a large half message that comes to its end in time moves', async () => {
  const { program, port } = await serve('echo.mjs', { push: 0 });
  const [client] = (await connect(port, 1)) as [StrictClient];
  const rest = await halves([client], 12 * MB, 13 * MB);
  const pid = await hup(program);
  let echo = 0;
  client.socket.on('data', (chunk) => {
    echo += chunk.length;
  });
  await new Promise((resolve) => setTimeout(resolve, 300));
  rest();
  await until(() => echo >= 13 * MB, 10_000);
  await program.waitForPids(1);
  expect(program.pids()).toEqual([pid]);
  expect(client.closeCode).toBeUndefined();
});
